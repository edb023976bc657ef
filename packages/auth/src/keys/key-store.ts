import type { NewVirtualKeyRow, VirtualKeyRow } from '@toolgate/db'
import type { KeySettings } from './key-settings.ts'

/** The channel on which every change of a key is announced; the payload is the key's hash. */
export const keyChangesChannel = 'virtual_keys'

/**
 * Where virtual keys are kept. Every write leaves a management event and announces the hashes it changed, all in one
 * transaction: what happened, what is recorded and what is heard never differ. Rejects with `STORE_UNAVAILABLE` where
 * the store cannot be asked; `signal` bounds the look-ups on the path of a request.
 */
export interface KeyStore {
  find(hash: string, signal?: AbortSignal): Promise<VirtualKeyRow | undefined>
  list(filter: KeyFilter): Promise<{ readonly rows: readonly VirtualKeyRow[]; readonly total: number }>
  /** Rejects with `CONFLICT` and `details.field` where the key or its alias exists. */
  insert(key: NewVirtualKeyRow, actor: string): Promise<VirtualKeyRow>
  /** Removes all or none. Rejects with `KEY_NOT_FOUND` and `details.missing`. Answers the hashes. */
  remove(references: KeyReferences, actor: string): Promise<readonly string[]>
  /** Sets or lifts an admin's block; undefined where there is no such key. */
  setBlocked(hash: string, blocked: boolean, actor: string): Promise<VirtualKeyRow | undefined>
  /** Makes the store hold exactly these keys of origin `config`; see {@link ConfigKeySync}. */
  syncConfig(keys: readonly ConfigKeyRow[]): Promise<ConfigKeySync>
  /**
   * What changed since the mark of an earlier answer, with some overlap so that nothing is missed; without a mark nothing.
   * The mark is the store's own and means nothing elsewhere.
   */
  changedSince(mark: Date | undefined, signal?: AbortSignal): Promise<KeyChanges>
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
}

export interface KeyFilter {
  /** From 0. */
  readonly offset: number
  readonly limit: number
  readonly userId?: string | undefined
  readonly teamId?: string | undefined
  readonly hash?: string | undefined
  readonly alias?: string | undefined
  readonly sortBy: KeySortField
  readonly descending: boolean
}

export type KeySortField = 'createdAt' | 'updatedAt' | 'keyAlias' | 'hash' | 'spend' | 'maxBudget' | 'expires'

/** All that configuration says about a key, every column of it: a line taken out of the file takes the setting back. */
export type ConfigKeyRow = KeySettings & Pick<VirtualKeyRow, 'hash' | 'keyName'>

export interface ConfigKeySync {
  readonly added: number
  readonly changed: number
  readonly disabled: number
  /** Entries that could not be taken over, with the reason; the others were. */
  readonly refused: readonly { readonly hash: string; readonly reason: string }[]
}
