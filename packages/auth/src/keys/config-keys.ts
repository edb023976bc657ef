/**
 * The `virtual_keys` section of the configuration, checked like a request to `/key/generate` and brought into the store.
 */
import {
  type Clock,
  GatewayError,
  isJsonObject,
  type Logger,
  type NewId,
  randomId,
  type Secret,
  systemClock,
} from '@toolgate/core'
import { parseGenerateKey } from './generate-request.ts'
import { checkCustomKey, displayKey, hashKey } from './key-format.ts'
import { keySettings } from './key-settings.ts'
import type { ConfigKeyRow, ConfigKeySync, KeyStore } from './key-store.ts'

/** One entry, without its `api_key`. */
export interface ConfigKeyEntry {
  readonly key: Secret
  /**
   * Fields of `GenerateKeyRequest`. `mcp_servers`, `mcp_access_groups`, `mcp_tool_permissions` and `blocked_tools` may stand
   * here as well as in `object_permission`.
   */
  readonly settings: Readonly<Record<string, unknown>>
}

export interface UpsertConfigKeysOptions {
  readonly store: KeyStore
  readonly log: Logger
  readonly clock?: Clock
  readonly newId?: NewId
}

/** Fields of `object_permission` that an entry may write without it. */
const shorthands: ReadonlySet<string> = new Set([
  'mcp_servers',
  'mcp_access_groups',
  'mcp_tool_permissions',
  'blocked_tools',
])

/** Whether a key works, and until when, follows from its being in the file; the key itself is `api_key`. */
const meaningless = ['key', 'duration', 'blocked', 'spend']

/**
 * Makes the store hold exactly these keys of the configuration. Throws `INVALID_REQUEST` naming the entry and never its
 * key; what only the store can refuse (a taken alias, a key the API made) is a warning and in the answer.
 */
export async function upsertConfigKeys(
  entries: readonly ConfigKeyEntry[],
  { store, log, clock = systemClock, newId = randomId }: UpsertConfigKeysOptions,
): Promise<ConfigKeySync> {
  const rows: ConfigKeyRow[] = entries.map((entry, index) => {
    const { request, ignored } = located(index, () => parseGenerateKey(requestOf(entry)))
    located(index, () => checkCustomKey(entry.key.reveal(), 'api_key'))
    if (ignored.length > 0) log.warn({ entry: index, fields: ignored }, 'An entry of virtual_keys has unknown fields.')
    const settings = located(index, () => keySettings(request, { clock, newId }))
    return { ...settings, hash: hashKey(entry.key), keyName: displayKey(entry.key) }
  })
  const repeated = rows.findIndex(({ hash }, index) => rows.findIndex((row) => row.hash === hash) !== index)
  if (repeated !== -1) throw invalidEntry(repeated, 'api_key: an earlier entry has the same key.')
  const sync = await store.syncConfig(rows)
  for (const refusal of sync.refused) log.warn(refusal, 'An entry of virtual_keys was not taken over.')
  return sync
}

function requestOf({ settings }: ConfigKeyEntry): Record<string, unknown> {
  const excess = meaningless.find((name) => name in settings)
  if (excess !== undefined) {
    throw new GatewayError('INVALID_REQUEST', `${excess}: has no meaning here. Remove the entry to end its key.`)
  }
  const short = Object.entries(settings).filter(([name]) => shorthands.has(name))
  const rest = Object.entries(settings).filter(([name]) => !shorthands.has(name))
  const given = settings['object_permission']
  // Anything but an object is left for the schema to refuse.
  const written = short.length === 0 || (given != null && !isJsonObject(given))
  const permission: unknown = written ? given : { ...(isJsonObject(given) && given), ...Object.fromEntries(short) }
  const servers = isJsonObject(permission) ? permission['mcp_servers'] : undefined
  return {
    // The shape users bring lists servers on the key and expects chat completions to use them.
    auto_tools: Array.isArray(servers) && servers.length > 0,
    ...Object.fromEntries(rest),
    object_permission: permission,
  }
}

function located<Result>(index: number, work: () => Result): Result {
  try {
    return work()
  } catch (error) {
    if (error instanceof GatewayError) throw invalidEntry(index, error.message)
    throw error
  }
}

function invalidEntry(index: number, message: string): GatewayError {
  return new GatewayError('INVALID_REQUEST', `virtual_keys[${index}].${message}`)
}
