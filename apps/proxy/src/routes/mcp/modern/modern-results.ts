import { isJsonObject, type JsonObject, modernProtocolVersion } from '@toolgate/core'
import { serverInfoKey } from '@toolgate/manager'
import type { Introduction } from '../introduction.ts'

/** Methods whose results say for how long they hold (spec 2026-07-28, Caching). */
const cacheable = new Set([
  'server/discover',
  'tools/list',
  'prompts/list',
  'resources/list',
  'resources/templates/list',
  'resources/read',
])

/**
 * A result as the modern era wants it: complete, unless it says otherwise, and with who answered. How long a resource holds
 * is the server's word; that it is for this caller alone is the gateway's, because nobody else's permissions are known here. Lists are made
 * anew each time, from memory.
 */
export function modernResult(method: string, result: JsonObject, serverInfo: JsonObject): JsonObject {
  const { _meta: meta } = result
  const caching = cacheable.has(method) && result['resultType'] !== 'input_required'
  return {
    resultType: 'complete',
    ...result,
    ...(caching && { ttlMs: lifetimeOf(result), cacheScope: 'private' }),
    _meta: { [serverInfoKey]: serverInfo, ...(isJsonObject(meta) && meta) },
  }
}

function lifetimeOf({ ttlMs }: JsonObject): number {
  return typeof ttlMs === 'number' && Number.isFinite(ttlMs) && ttlMs > 0 ? ttlMs : 0
}

/** The answer to `server/discover`. */
export function discovery({ capabilities, instructions }: Introduction): JsonObject {
  return {
    supportedVersions: [modernProtocolVersion],
    capabilities,
    ...(instructions !== undefined && { instructions }),
  }
}
