import {
  isJsonObject,
  type JsonRpcErrorBody,
  type JsonRpcId,
  type JsonRpcMessage,
  jsonRpcCodes,
  type JsonValue,
} from '@toolgate/core'
import type { Context } from 'hono'
import type { AppEnv } from '../../app-env.ts'
import { isNestedTooDeep, maxBodyDepth, readText } from '../../json-body.ts'

/** Messages of one batch; each is work of its own. */
const maxBatch = 100

/** A body, parsed once. Only the envelope is looked at: what `params` and `result` hold is for whoever it concerns. */
export type Received =
  | { readonly kind: 'message'; readonly message: JsonRpcMessage }
  | { readonly kind: 'batch'; readonly messages: readonly (JsonRpcMessage | Malformed)[] }
  | Malformed

/** What is no message, as JSON-RPC 2.0 §5 answers it: with the id where that could be read. */
export interface Malformed {
  readonly kind: 'malformed'
  readonly id: JsonRpcId | null
  readonly error: JsonRpcErrorBody
}

export async function readMessages(context: Context<AppEnv>): Promise<Received> {
  const text = await readText(context)
  let body: JsonValue
  try {
    body = JSON.parse(text)
  } catch {
    // Its message may quote the body.
    return malformed(jsonRpcCodes.parseError, 'Parse error: the request body is not valid JSON.')
  }
  if (isNestedTooDeep(body, text.length)) {
    return invalid(`the request body is nested more than ${maxBodyDepth} levels deep`)
  }
  if (!Array.isArray(body)) {
    const read = readMessage(body)
    return isMalformed(read) ? read : { kind: 'message', message: read }
  }
  if (body.length === 0) return invalid('the batch is empty')
  if (body.length > maxBatch) return invalid(`a batch holds at most ${maxBatch} messages`)
  return { kind: 'batch', messages: body.map(readMessage) }
}

export function isMalformed(value: object): value is Malformed {
  return 'kind' in value && value.kind === 'malformed'
}

function readMessage(value: JsonValue): JsonRpcMessage | Malformed {
  if (!isJsonObject(value)) return invalid('a message is an object')
  const { jsonrpc, id, method, params } = value
  const known = isId(id) ? id : null
  if (jsonrpc !== '2.0') return invalid('"jsonrpc" must be "2.0"', known)
  if (id !== undefined && known === null && method !== undefined) return invalid('"id" must be a string or a number')
  if (method !== undefined) {
    if (typeof method !== 'string') return invalid('"method" must be a string', known)
    if (params !== undefined && !isJsonObject(params)) return invalid('"params" must be an object', known)
    const given = isJsonObject(params) ? { params } : {}
    return known === null ? { jsonrpc, method, ...given } : { jsonrpc, id: known, method, ...given }
  }
  return readResponse(value, known)
}

function readResponse(value: { [key: string]: JsonValue }, id: JsonRpcId | null): JsonRpcMessage | Malformed {
  const { result, error } = value
  if (id === null) return invalid('it is neither a request nor a response')
  if (isJsonObject(result) && error === undefined) return { jsonrpc: '2.0', id, result }
  if (isJsonObject(error) && result === undefined) {
    const { code, message, data } = error
    if (typeof code === 'number' && typeof message === 'string') {
      return { jsonrpc: '2.0', id, error: { code, message, ...(data !== undefined && { data }) } }
    }
  }
  return invalid('it is neither a request nor a response', id)
}

/** Fractions are allowed by JSON-RPC, if not wise; what cannot be written again as it came is not. */
function isId(value: unknown): value is JsonRpcId {
  return typeof value === 'string' || (typeof value === 'number' && Math.abs(value) <= Number.MAX_SAFE_INTEGER)
}

function invalid(what: string, id: JsonRpcId | null = null): Malformed {
  return malformed(jsonRpcCodes.invalidRequest, `Invalid Request: ${what}.`, id)
}

function malformed(code: number, message: string, id: JsonRpcId | null = null): Malformed {
  return { kind: 'malformed', id, error: { code, message } }
}
