import { isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'

/** Fields that say what something is, and are not continued by the next piece. */
const named = new Set(['id', 'type', 'role', 'index', 'format', 'object', 'finish_reason', 'native_finish_reason'])

/**
 * Puts the next piece of something behind what came before, whatever its fields are: text is continued, objects are merged,
 * lists are appended (by `index` where their items bear one), anything else is replaced. Null takes nothing away.
 */
export function mergeDelta(earlier: JsonObject, delta: JsonObject): JsonObject {
  const merged: JsonObject = { ...earlier }
  for (const [field, value] of Object.entries(delta)) merged[field] = mergeField(field, earlier[field], value)
  return merged
}

function mergeField(field: string, earlier: JsonValue | undefined, later: JsonValue): JsonValue {
  if (earlier === undefined || earlier === null) return Array.isArray(later) ? appended([], later) : later
  if (later === null) return earlier
  if (typeof earlier === 'string' && typeof later === 'string') return named.has(field) ? later : earlier + later
  if (Array.isArray(earlier) && Array.isArray(later)) return appended(earlier, later)
  return isJsonObject(earlier) && isJsonObject(later) ? mergeDelta(earlier, later) : later
}

function appended(earlier: readonly JsonValue[], later: readonly JsonValue[]): JsonValue[] {
  const all = [...earlier]
  for (const item of later) {
    const at = all.findIndex((known) => isSameItem(known, item))
    const known = all[at]
    if (isJsonObject(known) && isJsonObject(item)) all[at] = mergeDelta(known, item)
    else all.push(item)
  }
  return all
}

function isSameItem(known: JsonValue, item: JsonValue): boolean {
  if (!isJsonObject(known) || !isJsonObject(item)) return false
  return typeof item['index'] === 'number' && known['index'] === item['index']
}
