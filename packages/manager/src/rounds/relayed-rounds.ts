import {
  type CallTrace,
  type Cancel,
  type Clock,
  GatewayError,
  type JsonObject,
  type Logger,
  type NewId,
  untilAborted,
} from '@toolgate/core'
import type { StopListening } from '@toolgate/db'
import type { Exchanged } from './exchange.ts'
import type { ParkedCalls, Round, RoundOutcome } from './parked-calls.ts'
import type { Post } from './post.ts'
import { readRoundMessage, type RoundMessage, type RoundMessageOf } from './round-messages.ts'
import type { UnfinishedCalls } from './unfinished-calls.ts'
import { aliveMs, createRoundsForOthers } from './rounds-for-others.ts'

/** Milliseconds in which the gateway that has a call says so. */
const takenMs = 1_000

/** Milliseconds without a sign of life after which that gateway is given up. */
const silentMs = 3.5 * aliveMs

/** Rounds that wait for another gateway. */
const maxWaiting = 1_000

export interface RelayedRound {
  readonly parked: string
  readonly principalId: string
  /** Of the client, by key. */
  readonly responses: JsonObject
  readonly round: Round
}

/** Rounds of calls that wait at another gateway of the same database: they are gone on with there, and answered here. */
export interface RelayedRounds {
  /** Undefined where no gateway has the call. */
  next(request: RelayedRound): Promise<RoundOutcome<Exchanged> | undefined>
  /** What the round before left behind, which is no other gateway's any more. Undefined where none has it. */
  traceOf(callId: string, signal: AbortSignal): Promise<FormerTrace | undefined>
  start(): Promise<void>
  close(): Promise<void>
}

export type FormerTrace = Pick<CallTrace, 'callId' | 'startedAt' | 'spentMs'>

export interface RelayedRoundsOptions {
  readonly post: Post
  readonly parked: Pick<ParkedCalls<Exchanged>, 'resume' | 'park'>
  readonly unfinished: Pick<UnfinishedCalls, 'take'>
  readonly clock: Clock
  readonly log: Logger
  readonly newId: NewId
}

export function createRelayedRounds(options: RelayedRoundsOptions): RelayedRounds {
  const { post, log } = options
  let stop: StopListening | undefined

  const say = async (message: RoundMessage): Promise<void> => {
    try {
      await post.send(JSON.stringify(message))
    } catch (error) {
      // Whoever waits for it gives up when its time is up.
      log.warn({ err: error }, 'a round of a call could not be told to another gateway')
    }
  }
  const others = createRoundsForOthers({ ...options, say })
  const { hear, ...asking } = createWaiting(options, say)

  const take = (text: string) => {
    const message = readRoundMessage(text)
    if (message?.kind === 'round') void others.goOn(message)
    else if (message?.kind === 'trace') others.handOver(message)
    else if (message?.kind === 'left') others.left(message.ask)
    else if (message !== undefined) hear(message)
  }

  return {
    ...asking,
    async start() {
      try {
        stop = await post.listen(take)
      } catch (error) {
        // Fail-closed: a call that waits elsewhere is over to its client.
        log.warn({ err: error }, 'rounds of calls that wait at other gateways cannot be gone on with')
      }
    },
    async close() {
      others.close()
      try {
        await stop?.()
      } catch (error) {
        // The store may be gone already, and the feed with it.
        log.debug({ err: error }, 'the feed of rounds could not be ended')
      }
    },
  }
}

type Ended = RoundMessageOf<'result' | 'asked' | 'failed'>
type Heard = Ended | RoundMessageOf<'taken' | 'said' | 'traced'>

/** The rounds of clients here. */
function createWaiting(
  { post, clock, newId }: RelayedRoundsOptions,
  say: (message: RoundMessage) => Promise<void>,
): Pick<RelayedRounds, 'next' | 'traceOf'> & { hear: (message: Heard) => void } {
  const waiting = new Map<string, (message: Heard) => void>()
  return {
    hear: (message) => waiting.get(message.ask)?.(message),
    async traceOf(callId, signal) {
      if (waiting.size >= maxWaiting) throw tooMany()
      const ask = newId('round')
      const { promise, resolve } = Promise.withResolvers<FormerTrace | undefined>()
      const cancel = clock.after(takenMs, () => resolve(undefined))
      waiting.set(ask, (message) => {
        if (message.kind === 'traced') resolve({ callId, startedAt: message.startedAt, spentMs: message.spentMs })
      })
      try {
        await say({ kind: 'trace', ask, callId })
        return await untilAborted(signal, () => promise)
      } finally {
        cancel()
        waiting.delete(ask)
      }
    },
    async next({ round, ...request }) {
      if (waiting.size >= maxWaiting) throw tooMany()
      const ask = newId('round')
      const { signal, peer, progressToken } = round
      const { capabilities, logLevel } = peer
      const { promise, resolve, reject } = Promise.withResolvers<Ended | undefined>()
      let cancel: Cancel = clock.after(takenMs, () => resolve(undefined))
      waiting.set(ask, (message) => {
        if (message.kind === 'taken') {
          cancel()
          cancel = clock.after(silentMs, () => reject(gone()))
        } else if (message.kind === 'said') {
          const { method, params } = message
          peer.notify({ jsonrpc: '2.0', method, ...(params && { params }) })
        } else if (message.kind !== 'traced') resolve(message)
      })
      try {
        await post.send(JSON.stringify({ kind: 'round', ask, ...request, capabilities, logLevel, progressToken }))
        const ended = await untilAborted(signal, () => promise)
        return ended && outcomeOf(ended)
      } catch (error) {
        if (signal.aborted) void say({ kind: 'left', ask })
        throw error
      } finally {
        cancel()
        waiting.delete(ask)
      }
    },
  }
}

function outcomeOf(ended: Ended): RoundOutcome<Exchanged> {
  if (ended.kind === 'result') return { result: { result: ended.result, era: ended.era } }
  if (ended.kind === 'asked') return { requests: new Map(ended.requests) }
  const { code, message, server, upstream, missing } = ended
  throw new GatewayError(code, message, {
    details: {
      ...(server !== undefined && { server }),
      ...(upstream !== undefined && { upstream }),
      ...(missing !== undefined && { required_capabilities: missing }),
    },
  })
}

function tooMany(): GatewayError {
  return new GatewayError('OVERLOADED', 'Too many calls wait at other gateways.')
}

function gone(): GatewayError {
  return new GatewayError('SHUTTING_DOWN', 'The gateway that had this call says nothing any more. Call again.')
}
