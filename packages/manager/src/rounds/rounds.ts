import {
  type AuthorizedCall,
  type CallTrace,
  type Clock,
  GatewayError,
  isJsonObject,
  type JsonObject,
  type Logger,
  type NewId,
  type Peer,
  type Recorder,
  type TracedCall,
} from '@toolgate/core'
import type { ManagedServer } from '../registry/managed-server.ts'
import { usableCapabilities } from '../upstream/isolation.ts'
import { askInTurn } from './ask-in-turn.ts'
import { type CallState, createCallStates, type Seal } from './call-states.ts'
import { type InputRequest, readInputRequired, requireUsable } from './input-required.ts'
import { type Exchange, type Exchanged, withState } from './exchange.ts'
import { createParkedCalls, type ParkedCall, type Round, type RoundOutcome, type Work } from './parked-calls.ts'
import type { Post } from './post.ts'
import { createRelayedRounds, type FormerTrace } from './relayed-rounds.ts'
import { createUnfinishedCalls, type UnfinishedCalls } from './unfinished-calls.ts'

export interface RoundsOptions {
  readonly seal: Seal
  readonly clock: Clock
  readonly newId: NewId
  readonly record: Recorder
  readonly log: Logger
  /** Absent: a call that waits at another gateway is over here. */
  readonly post?: Post | undefined
}

/**
 * Calls that need something of their client before they are answered. A modern client is told what, and comes back; one of
 * the legacy era is asked, as long as its call runs; any other is told what is missing. Whichever of it the server speaks.
 */
export interface Rounds {
  /** What the client brings from the round before; a call that was counted then goes on under its own trace. */
  resume(call: AuthorizedCall): Promise<CallState | undefined>
  ask(call: AuthorizedCall, context: AskContext): Promise<JsonObject>
  /** To be told every result: one that ends a round and not the call is recorded later. */
  settle(call: TracedCall, result: JsonObject): void
  start(): Promise<void>
  close(): Promise<void>
}

export interface AskContext {
  readonly server: ManagedServer
  readonly state: CallState | undefined
  readonly exchange: Exchange
}

export function createRounds(options: RoundsOptions): Rounds {
  const states = createCallStates(options)
  const unfinished = createUnfinishedCalls(options)
  const waiting = waitingCalls(options, unfinished)

  const inputRequired = async (call: AuthorizedCall, given: JsonObject, state: Omit<CallState, 'callId'>) => {
    const requestState = await states.seal(call, { callId: call.trace.callId, ...state })
    return { ...given, resultType: 'input_required', requestState }
  }

  const askModern = async (call: AuthorizedCall, { server, state, exchange }: AskContext): Promise<JsonObject> => {
    const { caller, params } = call
    const round: Round = { peer: caller.peer, signal: caller.signal, progressToken: progressTokenOf(params) }
    const work = (peer: Peer, signal: AbortSignal) => exchange({ params: withState(params, state), peer, signal })
    const { id, outcome } =
      state?.parked === undefined
        ? await waiting.begin(caller.principal.id, { round, work })
        : await waiting.comeBack(state.parked, call, round)
    if ('requests' in outcome) {
      return inputRequired(call, { inputRequests: asJson(outcome.requests) }, { parked: id })
    }
    const { result, era } = outcome.result
    const needed = era === 'modern' ? readInputRequired(result, server.name) : undefined
    if (needed === undefined) return result
    requireUsable(needed, usableCapabilities(server, caller.peer), server.name)
    return inputRequired(call, result, { upstream: needed.state })
  }

  return {
    async resume(call) {
      if (call.caller.peer.era !== 'modern') return undefined
      const { requestState: sealed } = call.params
      if (sealed === undefined) return undefined
      if (typeof sealed !== 'string') throw new GatewayError('INVALID_REQUEST', '"requestState" must be a string.')
      const state = await states.open(call, sealed)
      const former = unfinished.take(state.callId)?.trace ?? (await waiting.traceOf(state.callId, call.caller.signal))
      if (former !== undefined) goOn(call.trace, former)
      return state
    },
    ask: (call, context) =>
      call.caller.peer.era === 'modern' ? askModern(call, context) : askInTurn(call, context, options),
    settle(call, result) {
      if (call.caller.peer.era !== 'modern' || result['resultType'] !== 'input_required') return
      call.trace.outcome = 'input_required'
      call.trace.putOff = unfinished.putOff(call)
    },
    start: waiting.start,
    async close() {
      await waiting.close()
      unfinished.close()
    },
  }
}

/** Calls whose servers asked back, here and at other gateways. */
function waitingCalls(options: RoundsOptions, unfinished: UnfinishedCalls) {
  const parked = createParkedCalls<Exchanged>(options)
  const { post } = options
  const elsewhere = post && createRelayedRounds({ ...options, post, parked, unfinished })

  const untilItAsks = async (running: ParkedCall<Exchanged>, round: Round): Promise<RoundOutcome<Exchanged>> => {
    const outcome = await running.next(round)
    if ('requests' in outcome) parked.park(running)
    return outcome
  }

  const comeBack = async (id: string, { caller, params }: AuthorizedCall, round: Round) => {
    const responses = isJsonObject(params['inputResponses']) ? params['inputResponses'] : {}
    const here = parked.resume(id)
    here?.answer(responses)
    if (here !== undefined) return { id, outcome: await untilItAsks(here, round) }
    const there = await elsewhere?.next({ parked: id, principalId: caller.principal.id, responses, round })
    if (there === undefined) throw over()
    return { id, outcome: there }
  }

  return {
    async begin(principalId: string, of: { round: Round; work: Work<Exchanged> }) {
      const begun = parked.begin(principalId, of)
      return { id: begun.id, outcome: await untilItAsks(begun, of.round) }
    },
    comeBack,
    traceOf: async (callId: string, signal: AbortSignal) => elsewhere?.traceOf(callId, signal),
    start: async () => elsewhere?.start(),
    async close() {
      await elsewhere?.close()
      parked.close()
    },
  }
}

/** Another round of one call: counted, audited and paid for in the first. */
function goOn(trace: CallTrace, { callId, startedAt, spentMs }: FormerTrace): void {
  Object.assign(trace, { callId, startedAt, spentMs, continued: true })
}

function over(): GatewayError {
  return new GatewayError(
    'INVALID_REQUEST',
    'The call that this is an answer for is over: it waited too long, or its gateway is gone. Call again without "requestState".',
  )
}

/** What belongs to the rounds of a modern call, and to no other. */
export function withoutRounds({ requestState: _state, inputResponses: _responses, ...params }: JsonObject): JsonObject {
  return params
}

function asJson(requests: ReadonlyMap<string, InputRequest>): JsonObject {
  return Object.fromEntries([...requests].map(([key, { method, params }]) => [key, { method, params }]))
}

function progressTokenOf({ _meta: meta }: JsonObject) {
  return isJsonObject(meta) ? meta['progressToken'] : undefined
}
