import { type JsonObject, type Outbound, parseJsonObject } from '@toolgate/core'

/** Reads a JSON object. Undefined where there is none; rejects with whatever the transport failed with. */
export type ReadDocument = (url: string) => Promise<JsonObject | undefined>

export interface DocumentBounds {
  /** The way out that fits the address. */
  readonly wayTo: (url: string) => Pick<Outbound, 'request'>
  readonly signal: AbortSignal
  /** Milliseconds for the headers, and between two pieces of the body. */
  readonly timeoutMs: number
  readonly maxBytes: number
}

export function documentReader({ wayTo, signal, timeoutMs, maxBytes }: DocumentBounds): ReadDocument {
  const bounds = { headersTimeoutMs: timeoutMs, bodyTimeoutMs: timeoutMs }
  return async (url) => {
    const headers = { accept: 'application/json' }
    const response = await wayTo(url).request({ url, method: 'GET', headers, signal, ...bounds })
    // A page of some web server: there is no metadata in this place.
    if (response.status === 200) return parseJsonObject(await response.text(maxBytes))
    response.discard()
    return undefined
  }
}
