import { type Clock, isJsonRpcMessage, isResponse, type Logger, type Outbound, sleep } from '@toolgate/core'
import { readEventStream } from './event-stream.ts'
import type { HttpLink } from './http-link.ts'
import type { CredentialHeaders } from './refusal.ts'

/** Streams opened in a row that brought nothing, after which the server is not asked again. */
const maxFruitlessAttempts = 5

/** Milliseconds before the first attempt after a stream ended; doubled for each further one. */
const firstRetryMs = 1_000

export interface ListeningOptions {
  readonly server: string
  readonly clock: Clock
  readonly log: Logger
}

export interface SessionListenerOptions {
  readonly url: string
  readonly outbound: Outbound
  /** Asked anew for each attempt: a token may have been replaced meanwhile. */
  readonly credential: () => CredentialHeaders
  /** Called once it is known whether there is a stream. */
  readonly onAnswer?: () => void
}

/** What came of one stream. */
export type Heard = 'refused' | 'nothing' | 'something'

/**
 * Hears what a server says outside any request, over one stream after the other. In the background and best effort: a
 * server that has none (405), or that keeps ending it, is left alone, and no call waits for it. Runs until `signal` aborts.
 */
export async function listen(
  listenOnce: () => Promise<Heard>,
  signal: AbortSignal,
  { server, clock, log }: ListeningOptions,
): Promise<void> {
  for (let fruitless = 0; fruitless < maxFruitlessAttempts && !signal.aborted; fruitless += 1) {
    if (fruitless > 0) await sleep(clock, firstRetryMs * 2 ** (fruitless - 1), signal)
    if (signal.aborted) return
    try {
      const heard = await listenOnce()
      if (heard === 'refused') return
      if (heard === 'something') fruitless = 0
    } catch (error) {
      // Unsolicited news is a convenience: catalogs expire by themselves as well.
      if (!signal.aborted) log.debug({ server, err: error }, 'listening stream of an upstream failed')
    }
  }
}

/** The GET stream of a session (spec 2025-11-25, Transports, Listening for Messages), until it ends. */
export async function listenBesideSession(
  link: HttpLink,
  signal: AbortSignal,
  { url, outbound, credential, onAnswer = () => {} }: SessionListenerOptions,
): Promise<Heard> {
  const asked = outbound.request({
    url,
    method: 'GET',
    headers: { ...link.headers(credential()), accept: 'text/event-stream' },
    signal,
    headersTimeoutMs: 30_000,
    bodyTimeoutMs: 0,
  })
  const response = await asked.finally(onAnswer)
  const streams = response.header('content-type')?.startsWith('text/event-stream') === true
  if (response.status !== 200 || !streams) {
    response.discard()
    return response.status < 500 ? 'refused' : 'nothing'
  }
  let heard: Heard = 'nothing'
  for await (const message of readEventStream(response.body)) {
    heard = 'something'
    if (isJsonRpcMessage(message) && !isResponse(message)) link.traffic.hear(message)
  }
  return heard
}
