import type { deletedKeys, NewVirtualKeyRow, VirtualKeyRow } from '@toolgate/db'
import type { KeyPatch } from './changed-settings.ts'
import type { KeySettings } from './key-settings.ts'

/** The channel on which every change of a key is announced; the payload is the key's hash. */
export const keyChangesChannel = 'virtual_keys'

/**
 * Where virtual keys are kept. Every write leaves a management event and announces the hashes it changed, all in one
 * transaction: what happened, what is recorded and what is heard never differ. Rejects with `STORE_UNAVAILABLE` where
 * the store cannot be asked; `signal` bounds the look-ups on the path of a request.
 *
 * A key that was regenerated with a grace period has former keys, which go on meaning it: by their hashes it is found,
 * and every write that changes it holds for them.
 */
export interface KeyStore {
  /** For the path of a request. By the hash of a former key: the key's row, which `expires` when the former key ends. */
  find(hash: string, signal?: AbortSignal): Promise<VirtualKeyRow | undefined>
  /** For administrators: the rows of these keys, in this order, without those that do not exist. */
  findAll(hashes: readonly string[], now: Date): Promise<readonly FoundKey[]>
  /** When a call was last recorded of the key or a former one. */
  lastActive(hash: string): Promise<Date | undefined>
  list(filter: KeyFilter): Promise<Page<VirtualKeyRow>>
  listDeleted(filter: KeyFilter): Promise<Page<DeletedKey>>
  /** Sorted. */
  listAliases(filter: AliasFilter): Promise<Page<string>>
  /** Rejects with `CONFLICT` and `details.field` where the key or its alias exists. */
  insert(key: NewVirtualKeyRow, actor: string): Promise<VirtualKeyRow>
  /** Removes all or none. Rejects with `KEY_NOT_FOUND` and `details.missing`. Answers all hashes that mean nothing any more. */
  remove(references: KeyReferences, actor: string): Promise<readonly string[]>
  /** Undefined where there is no such key. Rejects with `CONFLICT` and `details.field`, or as `change` throws. */
  update(reference: KeyReference, update: KeyUpdate): Promise<WrittenKey | undefined>
  /** Puts another key in the place of one, which keeps all else. Undefined and rejections as in `update`. */
  regenerate(reference: KeyReference, regeneration: KeyRegeneration): Promise<WrittenKey | undefined>
  /** Makes the store hold exactly these keys of origin `config`; see {@link ConfigKeySync}. */
  syncConfig(keys: readonly ConfigKeyRow[]): Promise<ConfigKeySync>
  /**
   * What changed since the mark of an earlier answer, with some overlap so that nothing is missed; without a mark nothing.
   * The mark is the store's own and means nothing elsewhere.
   */
  changedSince(mark: Date | undefined, signal?: AbortSignal): Promise<KeyChanges>
}

/** What a schedule needs of the store, see `rotation-worker.ts`. */
export interface KeyRotationStore {
  /**
   * Keys whose rotation is due and that were not taken for this due time before, by any replica. Each leaves an event.
   * Keys of the configuration are never among them.
   */
  takeDue(now: Date, limit: number): Promise<readonly VirtualKeyRow[]>
}

export interface FoundKey {
  /** The hash that was asked for. */
  readonly asked: string
  readonly row: VirtualKeyRow
}

/** `now` decides which former keys still mean something. */
export type KeyReference = { readonly hash: string; readonly now: Date } | { readonly alias: string }

export interface KeyUpdate {
  readonly action: string
  readonly actor: string
  /** Called with the row while nobody else may change it. Where nothing differs nothing is written. */
  readonly change: (row: VirtualKeyRow) => KeyPatch
}

export interface KeyRegeneration extends KeyUpdate {
  readonly key: Pick<VirtualKeyRow, 'hash' | 'keyName'>
  /** Until when the key that is replaced goes on. Absent: it and all former keys end at once. */
  readonly graceUntil: Date | undefined
  readonly now: Date
}

export interface WrittenKey {
  readonly row: VirtualKeyRow
  /** Every hash that means the key, or did until this write. */
  readonly hashes: readonly string[]
  /** Columns that changed; none where there was nothing to write. */
  readonly changed: readonly string[]
}

export type DeletedKey = typeof deletedKeys.$inferSelect

export interface Page<Item> {
  readonly rows: readonly Item[]
  readonly total: number
}

export interface KeyChanges {
  /** Each key once, with its latest change: a row whose `updatedAt` is not before `at` has it already. */
  readonly changes: readonly { readonly hash: string; readonly at: Date }[]
  /** False where there were more changes than are worth listing. */
  readonly complete: boolean
  readonly mark: Date
}

export interface KeyReferences {
  readonly hashes: readonly string[]
  readonly aliases: readonly string[]
  readonly now: Date
}

export interface KeyFilter {
  /** From 0. */
  readonly offset: number
  readonly limit: number
  readonly userId?: string | undefined
  /** Beside the keys of `userId` also those it made. */
  readonly orCreatedByUser?: boolean
  /** Beside the keys of `userId` also all of the teams it has a key of. */
  readonly orTeamsOfUser?: boolean
  readonly teamId?: string | undefined
  readonly organizationId?: string | undefined
  readonly projectId?: string | undefined
  readonly agentId?: string | undefined
  readonly accessGroupId?: string | undefined
  readonly hash?: string | undefined
  readonly alias?: string | undefined
  /** `alias` and `userId` may be parts, in any case. */
  readonly substrings?: boolean
  readonly expires?: { readonly state: 'active' | 'expired'; readonly now: Date } | undefined
  readonly sortBy: KeySortField
  readonly descending: boolean
}

export interface AliasFilter {
  readonly offset: number
  readonly limit: number
  /** A part of the alias, in any case. */
  readonly search?: string | undefined
  readonly teamId?: string | undefined
}

export type KeySortField =
  | 'createdAt'
  | 'updatedAt'
  | 'keyAlias'
  | 'hash'
  | 'spend'
  | 'maxBudget'
  | 'expires'
  | 'userId'
  | 'teamId'

/** All that configuration says about a key, every column of it: a line taken out of the file takes the setting back. */
export type ConfigKeyRow = KeySettings & Pick<VirtualKeyRow, 'hash' | 'keyName'>

export interface ConfigKeySync {
  readonly added: number
  readonly changed: number
  readonly disabled: number
  /** Entries that could not be taken over, with the reason; the others were. */
  readonly refused: readonly { readonly hash: string; readonly reason: string }[]
}
