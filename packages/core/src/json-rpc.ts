/**
 * The JSON-RPC 2.0 envelope as MCP uses it. Only the envelope: what `params` and `result` hold is relayed as it came,
 * so nothing in here describes or validates a payload.
 */

export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue }
export type JsonObject = { [key: string]: JsonValue }

/** JSON-RPC 2.0 §4: a string or a number; MCP forbids null (spec 2025-11-25, Base Protocol, Requests). */
export type JsonRpcId = string | number

export interface JsonRpcRequest {
  jsonrpc: '2.0'
  id: JsonRpcId
  method: string
  params?: JsonObject
}

export interface JsonRpcNotification {
  jsonrpc: '2.0'
  method: string
  params?: JsonObject
}

export interface JsonRpcErrorBody {
  code: number
  message: string
  data?: JsonValue
}

export interface JsonRpcResult {
  jsonrpc: '2.0'
  id: JsonRpcId
  result: JsonObject
}

export interface JsonRpcError {
  jsonrpc: '2.0'
  /** Absent or null where the request could not be read (JSON-RPC 2.0 §5). */
  id?: JsonRpcId | null
  error: JsonRpcErrorBody
}

export type JsonRpcResponse = JsonRpcResult | JsonRpcError
export type JsonRpcMessage = JsonRpcRequest | JsonRpcNotification | JsonRpcResponse

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Undefined where the text is not that of one object: what that means is for whoever reads it to say. */
export function parseJsonObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isJsonObject(value) ? value : undefined
  } catch {
    // The parser's message would quote the text, which may hold a secret.
    return undefined
  }
}

export function isJsonRpcMessage(value: unknown): value is JsonRpcMessage {
  return (
    isJsonObject(value) && value['jsonrpc'] === '2.0' && ('method' in value || 'result' in value || 'error' in value)
  )
}

export function isRequest(message: JsonRpcMessage): message is JsonRpcRequest {
  return 'method' in message && 'id' in message
}

export function isNotification(message: JsonRpcMessage): message is JsonRpcNotification {
  return 'method' in message && !('id' in message)
}

export function isResponse(message: JsonRpcMessage): message is JsonRpcResponse {
  return !('method' in message)
}

/** Codes of JSON-RPC 2.0 §5.1. */
export const jsonRpcCodes = {
  parseError: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internalError: -32603,
} as const
