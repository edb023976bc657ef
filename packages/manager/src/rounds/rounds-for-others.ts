import { type Clock, GatewayError, type Peer, silentPeer, toGatewayError } from '@toolgate/core'
import type { Exchanged } from './exchange.ts'
import type { ParkedCalls } from './parked-calls.ts'
import type { UnfinishedCalls } from './unfinished-calls.ts'
import { readRoundMessage, type RoundMessage, type RoundMessageOf } from './round-messages.ts'

/** Milliseconds between signs of life of a round that is gone on with. */
export const aliveMs = 10_000

/** Rounds that are gone on with at a time; of more nobody hears that they were taken. */
const maxAtOnce = 1_000

/** What a server says on the side, of one round, that waits to be told; a store takes less than a server may say. */
const maxUnsaid = 200

export interface RoundsForOthersOptions {
  readonly parked: Pick<ParkedCalls<Exchanged>, 'resume' | 'park'>
  readonly unfinished: Pick<UnfinishedCalls, 'take'>
  readonly clock: Clock
  /** Tells all gateways. Never rejects. */
  say(message: RoundMessage): Promise<void>
}

/** Goes on with calls that wait here, for clients whose answer landed at another gateway. */
export interface RoundsForOthers {
  /** Where the call waits here, and is that caller's; else it says nothing. */
  goOn(message: RoundMessageOf<'round'>): Promise<void>
  /** The trace of the round before, which is put off here. */
  handOver(message: RoundMessageOf<'trace'>): void
  left(ask: string): void
  close(): void
}

export function createRoundsForOthers(options: RoundsForOthersOptions): RoundsForOthers {
  const running = new Map<string, AbortController>()
  return {
    async goOn(message) {
      if (running.size >= maxAtOnce) return
      const controller = new AbortController()
      running.set(message.ask, controller)
      await goOn(options, message, controller.signal)
      running.delete(message.ask)
    },
    handOver({ ask, callId }) {
      const former = options.unfinished.take(callId)
      if (former === undefined) return
      const { startedAt, spentMs } = former.trace
      void options.say({ kind: 'traced', ask, startedAt, spentMs })
    },
    left: (ask) => running.get(ask)?.abort(nobodyWaits()),
    close() {
      for (const controller of running.values()) controller.abort(nobodyWaits())
    },
  }
}

async function goOn(
  { parked, clock, say }: RoundsForOthersOptions,
  { ask, principalId, responses, capabilities, logLevel, progressToken, ...message }: RoundMessageOf<'round'>,
  signal: AbortSignal,
): Promise<void> {
  const call = parked.resume(message.parked)
  if (call === undefined) return
  if (call.principalId !== principalId) return parked.park(call)
  // In their order.
  let said = say({ kind: 'taken', ask })
  const sayNext = (next: RoundMessage) => {
    said = inTurn(said, () => say(next))
  }
  let unsaid = 0
  const sayAside = async (next: RoundMessage) => {
    await say(next)
    unsaid -= 1
  }
  const stopLiving = clock.every(aliveMs, () => sayNext({ kind: 'taken', ask }))
  const peer: Peer = {
    era: 'modern',
    capabilities,
    logLevel,
    notify({ method, params }) {
      // Best effort: progress and log lines, of which one more or less changes nothing.
      if (unsaid >= maxUnsaid) return
      unsaid += 1
      said = inTurn(said, () => sayAside({ kind: 'said', ask, method, ...(params !== undefined && { params }) }))
    },
    request: silentPeer.request,
  }
  try {
    call.answer(responses)
    const outcome = await call.next({ peer, signal, progressToken })
    if ('requests' in outcome) parked.park(call)
    sayNext(
      'requests' in outcome
        ? { kind: 'asked', ask, requests: [...outcome.requests] }
        : { kind: 'result', ask, ...outcome.result },
    )
  } catch (error) {
    sayNext(failureOf(ask, toGatewayError(error)))
  }
  stopLiving()
  await said
}

async function inTurn(before: Promise<void>, next: () => Promise<void>): Promise<void> {
  await before
  await next()
}

/** Only what JSON holds travels, and nothing of it but what doors look for. */
function failureOf(ask: string, { code, message, details }: GatewayError): RoundMessage {
  const { server, upstream, required_capabilities: missing } = details
  const written = JSON.stringify({ kind: 'failed', ask, code, message, server, upstream, missing })
  return readRoundMessage(written) ?? { kind: 'failed', ask, code, message }
}

function nobodyWaits(): GatewayError {
  return new GatewayError('CANCELLED', 'The client left.')
}
