import type { JsonObject, JsonValue } from '@toolgate/core'

/**
 * What faulty servers of every kind answer where they have no fault. Imports nothing but types: children start by the dozen,
 * and each would load it.
 */

/** What a good server answers: one tool, `echo`, that returns its arguments as text. Undefined for a notification. */
export function goodAnswer({ id, method, params }: JsonObject): JsonObject | undefined {
  if (id === undefined) return undefined
  if (method === 'initialize') {
    const serverInfo = { name: 'faulty', version: '1' }
    return answer(id, { protocolVersion: '2025-11-25', capabilities: { tools: { listChanged: true } }, serverInfo })
  }
  if (method === 'tools/list') return answer(id, { tools: [tool('echo')] })
  if (method === 'tools/call') {
    return answer(id, textResult(JSON.stringify(argumentsOf(params))))
  }
  if (method === 'ping') return answer(id, {})
  return { jsonrpc: '2.0', id, error: { code: -32601, message: 'Method not found' } }
}

export function answer(id: JsonObject[string] | undefined, result: JsonObject): JsonObject {
  return { jsonrpc: '2.0', ...(id !== undefined && { id }), result }
}

export function textResult(text: string): JsonObject {
  return { content: [{ type: 'text', text }] }
}

export function tool(name: string): JsonObject {
  return { name, inputSchema: { type: 'object' } }
}

function argumentsOf(params: JsonValue | undefined): JsonValue {
  if (typeof params !== 'object' || params === null || Array.isArray(params)) return {}
  return params['arguments'] ?? {}
}
