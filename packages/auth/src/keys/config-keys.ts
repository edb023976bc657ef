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

/** Why an entry cannot be meant; no part of it holds a value. */
export interface ConfigKeyProblem {
  /** Of the entry. */
  readonly index: number
  /** Dotted; `api_key` is the key itself, and the empty string the entry as a whole. */
  readonly field: string
  /** One sentence. */
  readonly message: string
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

/** The key stands in the file, so nothing but the file can put another in its place. */
const rotation: ReadonlySet<string> = new Set(['auto_rotate', 'rotation_interval'])

/** What {@link upsertConfigKeys} would refuse, found without a store. */
export function configKeyProblems(entries: readonly ConfigKeyEntry[]): readonly ConfigKeyProblem[] {
  return readEntries(entries, { clock: systemClock, newId: randomId }).problems
}

/**
 * Makes the store hold exactly these keys of the configuration. Throws `INVALID_REQUEST` naming the entry and never its
 * key; what only the store can refuse (a taken alias, a key the API made) is a warning and in the answer.
 */
export async function upsertConfigKeys(
  entries: readonly ConfigKeyEntry[],
  { store, log, clock = systemClock, newId = randomId }: UpsertConfigKeysOptions,
): Promise<ConfigKeySync> {
  const { rows, ignored, problems } = readEntries(entries, { clock, newId })
  const [problem] = problems
  if (problem !== undefined) throw invalidEntry(problem)
  for (const fields of ignored) log.warn(fields, 'An entry of virtual_keys has unknown fields.')
  const sync = await store.syncConfig(rows)
  for (const refusal of sync.refused) log.warn(refusal, 'An entry of virtual_keys was not taken over.')
  return sync
}

interface ReadEntries {
  readonly rows: readonly ConfigKeyRow[]
  readonly ignored: readonly { readonly entry: number; readonly fields: readonly string[] }[]
  readonly problems: readonly ConfigKeyProblem[]
}

function readEntries(entries: readonly ConfigKeyEntry[], context: { clock: Clock; newId: NewId }): ReadEntries {
  const rows = new Map<string, ConfigKeyRow>()
  const ignored: ReadEntries['ignored'][number][] = []
  const problems: ConfigKeyProblem[] = []
  for (const [index, entry] of entries.entries()) {
    try {
      const { request, ignored: fields } = parseGenerateKey(requestOf(entry))
      checkCustomKey(entry.key.reveal(), 'api_key')
      if (fields.length > 0) ignored.push({ entry: index, fields })
      const hash = hashKey(entry.key)
      if (rows.has(hash)) problems.push({ index, field: 'api_key', message: 'an earlier entry has the same key.' })
      else rows.set(hash, { ...keySettings(request, context), hash, keyName: displayKey(entry.key) })
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error
      // Collected, so that whoever reads the file hears of all of them.
      const { field } = error.details
      problems.push({
        index,
        field: typeof field === 'string' ? field : '',
        message: error.message.replace(/^[^:]*: /, ''),
      })
    }
  }
  return { rows: [...rows.values()], ignored, problems }
}

function requestOf({ settings }: ConfigKeyEntry): Record<string, unknown> {
  const excess = meaningless.find((name) => name in settings)
  if (excess !== undefined) {
    throw new GatewayError('INVALID_REQUEST', `${excess}: has no meaning here. Remove the entry to end its key.`, {
      details: { field: excess },
    })
  }
  const short = Object.entries(settings).filter(([name]) => shorthands.has(name))
  const rest = Object.entries(settings).filter(([name]) => !shorthands.has(name) && !rotation.has(name))
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

function invalidEntry({ index, field, message }: ConfigKeyProblem): GatewayError {
  return new GatewayError('INVALID_REQUEST', `virtual_keys[${index}].${field}: ${message}`)
}
