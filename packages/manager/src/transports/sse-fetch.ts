import { Buffer } from 'node:buffer'
import { GatewayError, type Outbound, type Secret } from '@toolgate/core'
import type { FailurePlace } from '../upstream/failure.ts'
import { maxEventLength } from './http/event-stream.ts'
import { type CredentialHeaders, refusalOf } from './http/refusal.ts'

export interface RefusingFetch {
  /** For a library that opens an event stream and posts messages. Adds the credential; protocol headers win. */
  readonly fetch: (input: string | URL, init?: RequestInit) => Promise<Response>
  /** Why the last request failed: libraries replace that error by one of their own. */
  refusal(): unknown
}

/** What goes with a request beside what the library says. */
export interface Sending {
  readonly headers: CredentialHeaders
  /** Ends it, as the library's own signal does. */
  readonly signal?: AbortSignal
}

export interface RefusingFetchOptions {
  readonly place: () => FailurePlace
  readonly sending: () => Sending
  /** Beside the credential, what refusals must not repeat. */
  readonly secrets: readonly Secret[]
}

/** Core's outbound HTTP as a `fetch` that rejects, naming server and stage, instead of answering with an error status. */
export function refusingFetch(outbound: Outbound, { place, sending, secrets }: RefusingFetchOptions): RefusingFetch {
  let refusal: unknown
  const send = async (input: string | URL, init: RequestInit): Promise<Response> => {
    const posts = init.method === 'POST'
    const headers: Record<string, string> = {}
    const { headers: presented, signal } = sending()
    for (const [name, value] of presented) headers[name] = value.reveal()
    const response = await outbound.request({
      url: String(input),
      method: posts ? 'POST' : 'GET',
      headers: Object.assign(headers, Object.fromEntries(new Headers(init.headers))),
      body: typeof init.body === 'string' ? init.body : undefined,
      signal: AbortSignal.any([init.signal ?? [], signal ?? []].flat()),
      // The stages of connecting and the calls have their own clocks; the stream may be quiet for long.
      headersTimeoutMs: 0,
      bodyTimeoutMs: 0,
    })
    const { status } = response
    if (status < 200 || status > 299)
      throw await refusalOf(response, {
        place: place(),
        sessionful: posts,
        secrets: [...presented.values(), ...secrets],
      })
    const type = response.header('content-type') ?? ''
    return new Response(ReadableStream.from(bounded(response.body)), { headers: { 'content-type': type } })
  }
  return {
    async fetch(input, init = {}) {
      try {
        return await send(input, init)
      } catch (error) {
        refusal = error
        throw error
      }
    },
    refusal: () => refusal,
  }
}

/** Cuts the stream when one event outgrows the bound: the library that reads it has none. */
async function* bounded(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  let unfinished = 0
  let before = ''
  for await (const chunk of body) {
    const text = before + Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('latin1')
    const end = Math.max(...blankLines.map((line) => text.lastIndexOf(line)))
    unfinished = end === -1 ? unfinished + chunk.length : text.length - end
    if (unfinished > maxEventLength)
      throw new GatewayError('UPSTREAM_PROTOCOL', `Event larger than ${maxEventLength} bytes.`)
    before = text.slice(1 - longestBlankLine)
    yield chunk
  }
}

/** What ends an event, with the end of the line before it. A chunk may end anywhere in it. */
const blankLines = ['\n\n', '\n\r\n', '\r\r'] as const
const longestBlankLine = 3
