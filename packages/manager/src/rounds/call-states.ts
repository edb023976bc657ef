import { createHash } from 'node:crypto'
import { type AuthorizedCall, type Clock, GatewayError, isJsonObject, type JsonObject, Secret } from '@toolgate/core'
import { canonicalText } from '../catalog/list-digest.ts'

/** Seals and opens texts for a subject; the `Sealer` of the gateway fits. */
export interface Seal {
  seal(plaintext: Secret, subject: string): Promise<string>
  open(sealed: string, subject: string): Promise<Secret>
}

/** What a client keeps for the gateway between two rounds of a call. */
export interface CallState {
  readonly callId: string
  /** The server's own state, which is never shown. */
  readonly upstream?: string | undefined
  /** The call itself waits, under this id. */
  readonly parked?: string | undefined
}

/**
 * `requestState` of the gateway: sealed, and bound to the principal, the server, the tool and its arguments, so that it is
 * worth nothing for another call or to another caller. A server's state travels inside it (ADR 0019).
 */
export interface CallStates {
  seal(call: AuthorizedCall, state: CallState): Promise<string>
  /** Rejects with `INVALID_REQUEST` for what was altered, is of another call, or too old. */
  open(call: AuthorizedCall, sealed: string): Promise<CallState>
}

/** Milliseconds that a person has for an answer. */
export const roundMs = 10 * 60_000

/** Characters of a state that are looked at: a server's own, sealed. */
const maxStateLength = 1024 * 1024

export function createCallStates({ seal, clock }: { readonly seal: Seal; readonly clock: Clock }): CallStates {
  return {
    seal: (call, state) =>
      seal.seal(new Secret(JSON.stringify({ ...state, until: clock.now() + roundMs })), subjectOf(call)),
    async open(call, sealed) {
      if (sealed.length > maxStateLength) throw notOfThisCall()
      const state = parsed(await opened(seal, sealed, subjectOf(call)))
      if (state === undefined || clock.now() > state.until) throw notOfThisCall()
      return state
    },
  }
}

async function opened(seal: Seal, sealed: string, subject: string): Promise<Secret> {
  try {
    return await seal.open(sealed, subject)
  } catch (error) {
    throw notOfThisCall(error)
  }
}

function parsed(text: Secret): (CallState & { readonly until: number }) | undefined {
  const value: unknown = JSON.parse(text.reveal())
  if (!isJsonObject(value)) return undefined
  const { callId, upstream, parked, until } = value
  if (typeof callId !== 'string' || typeof until !== 'number') return undefined
  return {
    callId,
    until,
    ...(typeof upstream === 'string' && { upstream }),
    ...(typeof parked === 'string' && { parked }),
  }
}

/** Everything that makes it this call. Progress tokens and the like change from round to round. */
function subjectOf({ caller, target, method, params }: AuthorizedCall): string {
  const { _meta: _, inputResponses: _responses, requestState: _state, ...asked } = params
  const binding: JsonObject = { of: [caller.principal.id, target.server.id, method, target.name ?? null], asked }
  const text = canonicalText(binding)
  if (text === undefined) throw new GatewayError('INVALID_REQUEST', 'The arguments are nested too deeply.')
  return `call:${createHash('sha256').update(text).digest('base64url')}`
}

function notOfThisCall(cause?: unknown): GatewayError {
  return new GatewayError(
    'INVALID_REQUEST',
    '"requestState" does not belong to this call, or is too old. Call again without it.',
    cause === undefined ? {} : { cause },
  )
}
