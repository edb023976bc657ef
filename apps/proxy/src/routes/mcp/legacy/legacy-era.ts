import {
  type Caller,
  GatewayError,
  isRequest,
  isResponse,
  type JsonObject,
  type JsonRpcMessage,
  type JsonRpcRequest,
  type JsonRpcResponse,
  toGatewayError,
} from '@toolgate/core'
import type { Gateway } from '@toolgate/manager'
import type { Context } from 'hono'
import type { AppEnv } from '../../../app-env.ts'
import { contentful } from '../../../middleware/errors.ts'
import { isUpstreamFault, jsonRpcErrorOf, toolFailureOf } from '../../../render/json-rpc.ts'
import { httpStatus } from '../../../render/status.ts'
import type { Answer } from '../answer.ts'
import type { createIntroduction } from '../introduction.ts'
import { isMalformed, type Malformed } from '../read-messages.ts'
import type { McpExchange, McpPost } from '../routes.ts'
import { requireAnyServer, type View } from '../view.ts'
import { assumedVersion, hasBatches, legacyVersionOf, negotiate, unsupportedVersion } from './versions.ts'

export interface LegacyEraOptions {
  readonly gateway: Gateway
  readonly answer: Answer
  readonly introduce: ReturnType<typeof createIntroduction>
}

/** What a response may still become: where nothing was sent yet, a fault of the one server of an endpoint is its status. */
interface Answered {
  readonly response: JsonRpcResponse
  readonly fault?: GatewayError | undefined
}

/** Protocol versions 2024-11-05 to 2025-11-25 over streamable HTTP. */
export function createLegacyEra({ gateway, answer, introduce }: LegacyEraOptions) {
  const resultOf = async (caller: Caller, view: View, { method, params = {} }: JsonRpcRequest): Promise<JsonObject> => {
    if (method !== 'initialize') return answer({ caller, view, method, params })
    requireAnyServer(gateway, caller)
    const { capabilities, serverInfo, instructions } = introduce(caller, view)
    const protocolVersion = negotiate(params)
    return { protocolVersion, capabilities, serverInfo, ...(instructions !== undefined && { instructions }) }
  }

  const respond = async (caller: Caller, view: View, request: JsonRpcRequest): Promise<Answered> => {
    const { id, method } = request
    try {
      return { response: { jsonrpc: '2.0', id, result: await resultOf(caller, view, request) } }
    } catch (thrown) {
      const error = toGatewayError(thrown)
      if (view.single !== undefined && isUpstreamFault(error)) {
        return { response: { jsonrpc: '2.0', id, error: jsonRpcErrorOf(error, method) }, fault: error }
      }
      const result = method === 'tools/call' ? toolFailureOf(error) : undefined
      if (result !== undefined) return { response: { jsonrpc: '2.0', id, result } }
      return { response: { jsonrpc: '2.0', id, error: jsonRpcErrorOf(error, method) } }
    }
  }

  return {
    async post({ context, caller, view, received }: McpPost): Promise<Response> {
      if (isMalformed(received)) return context.json(refusalOf(received), 400)
      const header = context.req.header('mcp-protocol-version')
      const version = header === undefined ? assumedVersion : legacyVersionOf(header)
      const first = received.kind === 'message' ? received.message : undefined
      if (version === undefined) return context.json(unsupported(first, header ?? ''), 400)
      if (received.kind === 'batch') {
        if (!hasBatches(version)) return context.json(refusalOf(noBatches), 400)
        const responses = await Promise.all(
          received.messages.map(async (message) => {
            if (isMalformed(message)) return refusalOf(message)
            return isRequest(message) ? (await respond(caller, view, message)).response : []
          }),
        )
        const given = responses.flat()
        return given.length === 0 ? context.body(null, 202) : context.json(given)
      }
      if (!isRequest(received.message)) return context.body(null, 202)
      return encode(context, await respond(caller, view, received.message))
    },

    async listen({ context }: McpExchange): Promise<Response> {
      context.header('allow', 'POST')
      throw new GatewayError('METHOD_NOT_ALLOWED', 'There is no stream without a session.')
    },

    async end({ context }: McpExchange): Promise<Response> {
      context.header('allow', 'POST')
      throw new GatewayError('METHOD_NOT_ALLOWED', 'There is no session to end.')
    },
  }
}

function encode(context: Context<AppEnv>, { response, fault }: Answered): Response {
  if (fault === undefined) return context.json(response)
  const { challenge } = fault.details
  const status = contentful(httpStatus[fault.code])
  if (challenge !== undefined && status === 401) context.header('www-authenticate', challenge)
  if (fault.retryable && status === 503) context.header('retry-after', '1')
  return context.json(response, status)
}

const noBatches: Malformed = {
  kind: 'malformed',
  id: null,
  error: { code: -32600, message: 'Invalid Request: this protocol version has no batches.' },
}

function refusalOf({ id, error }: Malformed) {
  return { jsonrpc: '2.0', id, error }
}

function unsupported(message: JsonRpcMessage | undefined, header: string) {
  const id = message === undefined || !('id' in message) || isResponse(message) ? null : message.id
  return { jsonrpc: '2.0', id, error: unsupportedVersion(header) }
}
