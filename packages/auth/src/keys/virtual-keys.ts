/**
 * Virtual keys as the admin API manages them, with LiteLLM's fields and shapes. Who may ask is the door's business. The
 * key itself exists here only between making it and the answer; everything else knows the hash.
 */
import { type Clock, type Logger, type NewId, randomId, type Secret, systemClock } from '@toolgate/core'
import { type BulkUpdate, keyChanges } from './change-keys.ts'
import type { KeyDefaults, KeyUpperBounds } from './key-bounds.ts'
import { newKey } from './key-format.ts'
import type { GeneratedKey, TokenRow } from './key-response.ts'
import type { KeyStore } from './key-store.ts'
import { keyMaking } from './make-keys.ts'
import { type AliasList, type KeyInfos, type KeyList, keyReading } from './read-keys.ts'
import { keyRegeneration } from './regenerate-key.ts'

export interface VirtualKeysOptions {
  readonly store: KeyStore
  readonly log: Logger
  readonly clock?: Clock
  readonly newId?: NewId
  readonly makeKey?: () => Secret
  /** Called with each hash that a write concerns, before the write is answered; fits `KeyCache.forget`. */
  readonly onChange?: (hash: string) => void
  /** `default_key_generate_params` and `upperbound_key_generate_params`; asked at each request, so that they may change. */
  readonly defaults?: () => KeyDefaults
  readonly upperBounds?: () => KeyUpperBounds
  /** Says of a key of the caller's choice that it is the gateway's own: the master key. */
  readonly isReserved?: (key: string) => boolean
  /** How long a key goes on after its holder has fetched the next one. */
  readonly rotationGraceMs?: number
}

/** What the parts below are given: every option has its value. */
export type KeyContext = Required<VirtualKeysOptions>

/** What a write answers: the key's row, and what it says that this version does not enforce. */
export type ChangedKey = TokenRow & { readonly key: string; readonly warnings: readonly string[] }

/** `actor` is who is recorded: the principal's id, or what `litellm-changed-by` says. */
export interface VirtualKeys {
  /**
   * Makes a key from a `GenerateKeyRequest`. Its answer is the only one that holds the key; `warnings` in it name what was
   * stored and is not enforced.
   * Rejects with `INVALID_REQUEST` (`details.field`, `details.issues`) or `CONFLICT`.
   */
  generate(body: unknown, actor: string): Promise<GeneratedKey>
  /** The same for a key of a team and of nobody in it. */
  generateForService(body: unknown, actor: string): Promise<GeneratedKey>
  /** `reference` is a key or its hash. Rejects with `KEY_NOT_FOUND`. */
  info(reference: string): Promise<{ readonly key: string; readonly info: TokenRow }>
  /** Takes `{keys}`. Rejects with `KEY_NOT_FOUND` where none of them exists; else names those that do not. */
  infos(body: unknown): Promise<KeyInfos>
  /** Takes the query string as an object of strings. */
  list(query: unknown): Promise<KeyList>
  aliases(query: unknown): Promise<AliasList>
  /** Takes `{keys?, key_aliases?}`; deletes all or none. Keys are answered as their hashes. */
  delete(body: unknown, actor: string): Promise<{ readonly deleted_keys: readonly string[] }>
  /** Takes `{key}`. Holds on every replica within two seconds. */
  block(body: unknown, actor: string): Promise<TokenRow>
  unblock(body: unknown, actor: string): Promise<TokenRow>
  /**
   * Takes an `UpdateKeyRequest`: what it leaves out is kept, null clears. Rejects with `INVALID_REQUEST`, `KEY_NOT_FOUND`
   * or `CONFLICT`.
   */
  update(body: unknown, actor: string): Promise<ChangedKey>
  /** Takes `{keys: [UpdateKeyRequest]}`; each succeeds or fails on its own. */
  bulkUpdate(body: unknown, actor: string): Promise<BulkUpdate>
  /** `reference` is a key or its hash; takes `{reset_to}`, at most what was spent. */
  resetSpend(reference: string, body: unknown, actor: string): Promise<Readonly<Record<string, unknown>>>
  /** Takes a `RegenerateKeyRequest`; its answer is the only one that holds the next key. Rejects as `update` does. */
  regenerate(body: unknown, actor: string): Promise<GeneratedKey>
  /**
   * For the holder of a key with `auto_rotate` that is due: regenerates it with the grace period of rotation. `hash` is of the
   * key that was presented. Rejects with `CONFLICT` before it is due, and for a key that was replaced.
   */
  rotate(hash: string, actor: string): Promise<GeneratedKey>
}

/** Long enough for the next run of most jobs: an answer that was lost on the way must not lock the holder out. */
const defaultRotationGraceMs = 24 * 3_600_000

export function createVirtualKeys(options: VirtualKeysOptions): VirtualKeys {
  const context: KeyContext = {
    clock: systemClock,
    newId: randomId,
    makeKey: () => newKey(),
    onChange: () => {},
    defaults: () => ({}),
    upperBounds: () => ({}),
    isReserved: () => false,
    rotationGraceMs: defaultRotationGraceMs,
    ...options,
  }
  return { ...keyMaking(context), ...keyReading(context), ...keyChanges(context), ...keyRegeneration(context) }
}
