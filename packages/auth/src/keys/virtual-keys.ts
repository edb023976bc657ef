/**
 * Virtual keys as the admin API manages them, with LiteLLM's fields and shapes. Who may ask is the door's business. The
 * key itself exists here only between `generate` and its answer; everything else knows the hash.
 */
import { type Clock, GatewayError, type Logger, type NewId, randomId, Secret, systemClock } from '@toolgate/core'
import type { VirtualKeyRow } from '@toolgate/db'
import { z } from 'zod'
import { parseGenerateKey } from './generate-request.ts'
import { parseRequest } from './invalid-request.ts'
import { checkCustomKey, displayKey, hashKey, keyHashOf, looksLikeKey, newKey } from './key-format.ts'
import { type GeneratedKey, generatedKey, type TokenRow, tokenRow } from './key-response.ts'
import { keySettings } from './key-settings.ts'
import type { KeyStore } from './key-store.ts'
import { keyFilterOf, parseListKeys } from './list-query.ts'
import { notEnforcedWarnings } from './not-enforced.ts'

export interface VirtualKeysOptions {
  readonly store: KeyStore
  readonly log: Logger
  readonly clock?: Clock
  readonly newId?: NewId
  readonly makeKey?: () => Secret
  /** Called with the hash of each key that was written, before the write is answered; fits `KeyCache.forget`. */
  readonly onChange?: (hash: string) => void
}

/** `actor` is who is recorded: the principal's id, or what `litellm-changed-by` says. */
export interface VirtualKeys {
  /**
   * Makes a key from a `GenerateKeyRequest`. Its answer is the only one that holds the key; `warnings` in it name what was
   * stored and is not enforced.
   * Rejects with `INVALID_REQUEST` (`details.field`, `details.issues`) or `CONFLICT`.
   */
  generate(body: unknown, actor: string): Promise<GeneratedKey>
  /** `reference` is a key or its hash. Rejects with `KEY_NOT_FOUND`. */
  info(reference: string): Promise<{ readonly key: string; readonly info: TokenRow }>
  /** Takes the query string as an object of strings. */
  list(query: unknown): Promise<KeyList>
  /** Takes `{keys?, key_aliases?}`; deletes all or none. Keys are answered as their hashes. */
  delete(body: unknown, actor: string): Promise<{ readonly deleted_keys: readonly string[] }>
  /** Takes `{key}`. Holds on every replica within two seconds. */
  block(body: unknown, actor: string): Promise<TokenRow>
  unblock(body: unknown, actor: string): Promise<TokenRow>
}

export interface KeyList {
  readonly keys: readonly (string | TokenRow)[]
  readonly total_count: number
  readonly current_page: number
  readonly total_pages: number
}

const mostReferences = 1000
const references = z.array(z.string().min(1)).max(mostReferences).nullish()
export const deleteKeysSchema = z.object({ keys: references, key_aliases: references })
export const blockKeySchema = z.object({ key: z.string().min(1) })

export function createVirtualKeys(options: VirtualKeysOptions): VirtualKeys {
  const { store, onChange = () => {} } = options

  const setBlocked = async (body: unknown, blocked: boolean, actor: string): Promise<VirtualKeyRow> => {
    const { key } = parseRequest(blockKeySchema, body)
    const row = await store.setBlocked(keyHashOf(key), blocked, actor)
    if (row === undefined) throw unknownKey(key)
    onChange(row.hash)
    return row
  }

  return {
    generate: (body, actor) => generate(body, actor, options),

    async info(reference) {
      const hash = keyHashOf(reference)
      const row = await store.find(hash)
      if (row === undefined) throw unknownKey(reference)
      return { key: hash, info: tokenRow(row) }
    },

    async list(query) {
      const parsed = parseListKeys(query)
      const { rows, total } = await store.list(keyFilterOf(parsed))
      return {
        keys: parsed.return_full_object ? rows.map(tokenRow) : rows.map(({ hash }) => hash),
        total_count: total,
        current_page: parsed.page,
        total_pages: Math.ceil(total / parsed.size),
      }
    },

    async delete(body, actor) {
      const { keys, key_aliases } = parseRequest(deleteKeysSchema, body)
      const hashes = (keys ?? []).map(keyHashOf)
      const aliases = key_aliases ?? []
      if (hashes.length + aliases.length === 0) {
        throw new GatewayError('INVALID_REQUEST', 'keys: name at least one key in keys or key_aliases.', {
          details: { field: 'keys' },
        })
      }
      for (const hash of await store.remove({ hashes, aliases }, actor)) onChange(hash)
      return { deleted_keys: [...hashes, ...aliases] }
    },

    block: async (body, actor) => tokenRow(await setBlocked(body, true, actor)),

    async unblock(body, actor) {
      const row = await setBlocked(body, false, actor)
      if (row.disabledReason === null) return tokenRow(row)
      throw new GatewayError(
        'CONFLICT',
        `key: ${row.keyName} stays blocked, because it was removed from virtual_keys in the configuration. Put it back there.`,
        { details: { field: 'key' } },
      )
    },
  }
}

async function generate(body: unknown, actor: string, options: VirtualKeysOptions): Promise<GeneratedKey> {
  const { store, log, clock = systemClock, newId = randomId, makeKey = () => newKey(), onChange } = options
  const { request, ignored } = parseGenerateKey(body)
  if (ignored.length > 0) log.warn({ fields: ignored }, 'A key was requested with fields that are not known here.')
  const warnings = notEnforcedWarnings(request)
  if (warnings.length > 0)
    log.warn({ warnings }, 'A key was requested with settings that this version does not enforce.')
  if (request.key != null) checkCustomKey(request.key)
  const key = request.key == null ? makeKey() : new Secret(request.key)
  const row = await store.insert(
    {
      ...keySettings(request, { clock, newId }),
      hash: hashKey(key),
      keyName: displayKey(key),
      origin: 'api',
      blocked: request.blocked ?? false,
      spend: request.spend ?? 0,
      createdBy: actor,
      updatedBy: actor,
    },
    actor,
  )
  onChange?.(row.hash)
  return generatedKey({ key, row, request, warnings })
}

/** Names the key masked or by its hash: what was sent may be a key of somewhere else. */
function unknownKey(reference: string): GatewayError {
  const name = looksLikeKey(reference) ? displayKey(new Secret(reference)) : `with the hash ${keyHashOf(reference)}`
  return new GatewayError('KEY_NOT_FOUND', `There is no key ${name}. /key/list shows the keys there are.`, {
    details: { field: 'key' },
  })
}
