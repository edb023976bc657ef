import { hashKey } from '@toolgate/auth'
import type { VirtualKeyEntry } from '../config/virtual-keys.ts'

/** How many keys of the file came, changed and went; their names are in the record of changes. */
export interface KeyChanges {
  readonly added: number
  readonly changed: number
  /** Keys that are no longer in the file. */
  readonly disabled: number
  /** Entries that could not be taken over; the log says why. */
  readonly refused: number
}

export interface ConfigKeysOptions {
  /** Makes the store hold exactly these keys of the file. */
  sync(entries: readonly VirtualKeyEntry[]): Promise<KeySync>
  /** The next look-up of this key asks the store. */
  forget(hash: string): void
}

interface KeySync extends Omit<KeyChanges, 'refused'> {
  readonly refused: readonly unknown[]
}

/** Rejects with `STORE_UNAVAILABLE`, and then nothing has changed. In this process a change holds with the next request. */
export async function replaceConfigKeys(
  before: readonly VirtualKeyEntry[],
  after: readonly VirtualKeyEntry[],
  { sync, forget }: ConfigKeysOptions,
): Promise<KeyChanges> {
  const { added, changed, disabled, refused } = await sync(after)
  for (const { key } of [...before, ...after]) forget(hashKey(key))
  return { added, changed, disabled, refused: refused.length }
}
