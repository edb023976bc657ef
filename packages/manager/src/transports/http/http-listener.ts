import { type Clock, isJsonRpcMessage, isResponse, type Logger, type Outbound, sleep } from '@toolgate/core'
import { readEventStream } from './event-stream.ts'
import type { HttpLink } from './http-link.ts'
import type { CredentialHeaders } from './refusal.ts'

/** Streams opened in a row that brought nothing, after which the server is not asked again. */
const maxFruitlessAttempts = 5

/** Milliseconds before the first attempt after a stream ended; doubled for each further one. */
const firstRetryMs = 1_000

/** Milliseconds after which a stream on which nothing was told was worth having: proxies cut those that are quiet. */
const lastingMs = 15_000

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

/** How a stream ended that did not break. */
export type Ended = 'refused' | 'over'

/** Told of a stream while it lasts: what came of it counts, however it ends. */
export interface Hearing {
  begun(): void
  heard(): void
}

/** One stream, from its request to its end. */
export type ListenOnce = (hearing: Hearing) => Promise<Ended>

/**
 * Hears what a server says outside any request, over one stream after the other. In the background and best effort: a
 * server that has none (405), or that keeps ending it, is left alone, and no call waits for it. Runs until `signal` aborts.
 */
export async function listen(
  listenOnce: ListenOnce,
  signal: AbortSignal,
  { server, clock, log }: ListeningOptions,
): Promise<void> {
  for (let fruitless = 0; fruitless < maxFruitlessAttempts && !signal.aborted; fruitless += 1) {
    if (fruitless > 0) await sleep(clock, firstRetryMs * 2 ** (fruitless - 1), signal)
    if (signal.aborted) return
    const stream = startHearing(clock)
    try {
      if ((await listenOnce(stream)) === 'refused') return
    } catch (error) {
      // Unsolicited news is a convenience: catalogs expire by themselves as well.
      if (!signal.aborted) log.debug({ server, err: error }, 'listening stream of an upstream failed')
    }
    if (stream.wasWorthIt()) fruitless = 0
  }
}

function startHearing(clock: Clock): Hearing & { wasWorthIt(): boolean } {
  let begunMs: number | undefined
  let heardAnything = false
  return {
    begun() {
      begunMs = clock.monotonic()
    },
    heard() {
      heardAnything = true
    },
    wasWorthIt: () => heardAnything || (begunMs !== undefined && clock.monotonic() - begunMs >= lastingMs),
  }
}

/** The GET stream of a session (spec 2025-11-25, Transports, Listening for Messages), until it ends. */
export async function listenBesideSession(
  link: HttpLink,
  signal: AbortSignal,
  { url, outbound, credential, onAnswer = () => {}, hearing }: SessionListenerOptions & { readonly hearing: Hearing },
): Promise<Ended> {
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
    return response.status < 500 ? 'refused' : 'over'
  }
  hearing.begun()
  for await (const message of readEventStream(response.body)) {
    hearing.heard()
    if (isJsonRpcMessage(message) && !isResponse(message)) link.traffic.hear(message)
  }
  return 'over'
}
