/**
 * What outlives a request, by owner and name, until it expires: every replica finds it. Bounded per owner, the oldest goes
 * first; a record that is too large, or gone, is not found, and never an error.
 */
export interface RecordStore {
  save(record: StoredRecord): Promise<void>
  /** All that bear any of the names, the oldest first. Rejects with `STORE_UNAVAILABLE` where nobody can say. */
  find(sought: RecordNames): Promise<readonly FoundRecord[]>
  /**
   * Those of the names that did not stand yet: they stand for whoever of all replicas comes later, at least until they expire. All or
   * none is claimed. Rejects with `STORE_UNAVAILABLE`.
   */
  claim(claimed: ClaimedNames): Promise<ReadonlySet<string>>
  /** False: there was none. */
  remove(sought: RecordNames): Promise<boolean>
}

export type RecordKind = 'turn' | 'response' | 'result' | 'approval' | 'outcome'

export interface RecordNames {
  readonly owner: string
  readonly kind: RecordKind
  readonly names: readonly string[]
}

export type ClaimedNames = Omit<StoredRecord, 'value'>

export interface FoundRecord {
  readonly names: readonly string[]
  readonly value: unknown
}

export interface StoredRecord extends RecordNames {
  /** Anything that JSON can write. */
  readonly value: unknown
  readonly lifetimeMs: number
}

export interface RecordBounds {
  /** Records of one owner and kind. */
  readonly maxRecords: number
  /** Characters of JSON of one record; a larger one is not kept. */
  readonly maxSize: number
  /** Characters of JSON of one owner and kind. */
  readonly maxTotalSize: number
  /** Claimed names of one owner and kind: they hold nothing else. */
  readonly maxClaims: number
}

export const recordBounds: RecordBounds = {
  maxRecords: 500,
  maxSize: 8_000_000,
  maxTotalSize: 64_000_000,
  maxClaims: 5_000,
}
