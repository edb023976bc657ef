import {
  type Caller,
  type GatewayError,
  type JsonRpcRequest,
  type JsonRpcResponse,
  type Logger,
  toGatewayError,
} from '@toolgate/core'
import { logFailure } from '../../../middleware/errors.ts'
import { isUpstreamFault, jsonRpcErrorOf, toolFailureOf } from '../../../render/json-rpc.ts'
import type { View } from '../view.ts'
import type { LegacyMethods, LegacySession } from './methods.ts'

/** A response, and where nothing was sent yet and the endpoint is one server's own, the fault that may be its HTTP status. */
export interface Answered {
  readonly response: JsonRpcResponse
  readonly fault?: GatewayError | undefined
  /** For the headers of an answer to `initialize`. */
  readonly sessionId?: string | undefined
}

export interface Asked {
  readonly caller: Caller
  readonly view: View
  readonly session: LegacySession | undefined
  readonly request: JsonRpcRequest
}

export interface Responding {
  readonly methods: LegacyMethods
  readonly log: Logger
}

/** Always answers: what fails is told in the words of JSON-RPC. */
export async function respond({ methods, log }: Responding, asked: Asked): Promise<Answered> {
  const { caller, view, request } = asked
  const { id, method } = request
  try {
    const { result, sessionId } = await methods(asked)
    return { response: { jsonrpc: '2.0', id, result }, sessionId }
  } catch (thrown) {
    const error = toGatewayError(thrown)
    logFailure(log, error, caller.request.requestId)
    // These are about the connection and not about the request.
    if (error.code === 'TOO_MANY_SESSIONS' || error.code === 'STORE_UNAVAILABLE') throw error
    if (view.single !== undefined && isUpstreamFault(error)) {
      return { response: { jsonrpc: '2.0', id, error: jsonRpcErrorOf(error, method) }, fault: error }
    }
    const result = method === 'tools/call' ? toolFailureOf(error) : undefined
    if (result !== undefined) return { response: { jsonrpc: '2.0', id, result } }
    return { response: { jsonrpc: '2.0', id, error: jsonRpcErrorOf(error, method) } }
  }
}
