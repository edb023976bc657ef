import type { JsonObject } from '@toolgate/core'

/** The field of `params` that `mcp-name` repeats (spec 2026-07-28, Streamable HTTP; the tasks extension for the last). */
const sources = new Map([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
  ['tasks/get', 'taskId'],
  ['tasks/update', 'taskId'],
  ['tasks/cancel', 'taskId'],
])

/** Undefined for methods without such a header. */
export function nameFieldOf(method: string): string | undefined {
  return sources.get(method)
}

/** What `mcp-name` must say for this request; undefined where it must not be sent. */
export function nameInHeader(method: string, params: JsonObject): string | undefined {
  const field = sources.get(method)
  const value = field === undefined ? undefined : params[field]
  return typeof value === 'string' ? value : undefined
}
