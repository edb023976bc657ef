import {
  type AuthorizedCall,
  type CallTrace,
  type Clock,
  GatewayError,
  isJsonObject,
  type JsonObject,
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
import { createParkedCalls, type ParkedCall, type ParkedCalls, type Round } from './parked-calls.ts'
import { createUnfinishedCalls } from './unfinished-calls.ts'

export interface RoundsOptions {
  readonly seal: Seal
  readonly clock: Clock
  readonly newId: NewId
  readonly record: Recorder
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
  close(): void
}

export interface AskContext {
  readonly server: ManagedServer
  readonly state: CallState | undefined
  readonly exchange: Exchange
}

export function createRounds(options: RoundsOptions): Rounds {
  const states = createCallStates(options)
  const parked = createParkedCalls<Exchanged>(options)
  const unfinished = createUnfinishedCalls(options)

  const inputRequired = async (call: AuthorizedCall, given: JsonObject, state: Omit<CallState, 'callId'>) => {
    const requestState = await states.seal(call, { callId: call.trace.callId, ...state })
    return { ...given, resultType: 'input_required', requestState }
  }

  const askModern = async (call: AuthorizedCall, { server, state, exchange }: AskContext): Promise<JsonObject> => {
    const { caller, params } = call
    const round: Round = { peer: caller.peer, signal: caller.signal, progressToken: progressTokenOf(params) }
    const work = (peer: Peer, signal: AbortSignal) => exchange({ params: withState(params, state), peer, signal })
    const running =
      state?.parked === undefined
        ? parked.begin(caller.principal.id, { round, work })
        : resumed(parked, { id: state.parked, params })
    const outcome = await running.next(round)
    if ('requests' in outcome) {
      parked.park(running)
      return inputRequired(call, { inputRequests: asJson(outcome.requests) }, { parked: running.id })
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
      const former = unfinished.take(state.callId)
      if (former !== undefined) goOn(call.trace, former.trace)
      return state
    },
    ask: (call, context) =>
      call.caller.peer.era === 'modern' ? askModern(call, context) : askInTurn(call, context, options),
    settle(call, result) {
      if (call.caller.peer.era !== 'modern' || result['resultType'] !== 'input_required') return
      call.trace.outcome = 'input_required'
      call.trace.putOff = unfinished.putOff(call)
    },
    close() {
      parked.close()
      unfinished.close()
    },
  }
}

/** Another round of one call: counted, audited and paid for in the first. */
function goOn(trace: CallTrace, { callId, startedAt, spentMs }: CallTrace): void {
  Object.assign(trace, { callId, startedAt, spentMs, continued: true })
}

function resumed<Result>(
  parked: ParkedCalls<Result>,
  { id, params: { inputResponses } }: { id: string; params: JsonObject },
): ParkedCall<Result> {
  const call = parked.resume(id)
  if (call === undefined) {
    throw new GatewayError(
      'INVALID_REQUEST',
      'The call that this is an answer for is over: it waited too long, or at another replica. Call again without "requestState".',
    )
  }
  call.answer(isJsonObject(inputResponses) ? inputResponses : {})
  return call
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
