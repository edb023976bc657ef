import type { ListKind } from '../methods.ts'

/**
 * What servers listed last with the service's own credential, and how that changed: there after a restart, shared by all
 * gateways on one database. Implemented in `list-store.postgres.ts`.
 */
export interface ListStore {
  /** Every list of these servers. */
  load(serverIds: readonly string[]): Promise<readonly StoredList[]>
  /**
   * Compares with what is stored and writes what differs, as the next version. Several gateways that save at once take
   * turns: each content has a version of its own.
   */
  save(list: ObservedList): Promise<SavedList>
  /** The newest first. */
  versions(serverId: string, limit: number): Promise<readonly ListVersion[]>
  forget(serverId: string): Promise<void>
}

/** One list as it was read. */
export interface ObservedList {
  readonly serverId: string
  readonly kind: ListKind
  /** Digest of where the server is: a list that came from elsewhere is replaced, not changed. */
  readonly source: string
  /** Of all items, whatever their order. */
  readonly hash: string
  /** In the server's own order, each name once. */
  readonly items: readonly ObservedItem[]
  readonly listedAt: Date
  /** For whoever brings the service's own credential, and nobody else. */
  readonly isPrivate: boolean
}

export interface ObservedItem {
  readonly name: string
  readonly hash: string
  readonly definition: Readonly<Record<string, unknown>>
}

export interface SavedList {
  readonly version: number
  readonly changed: boolean
}

/** As it is in the store; what the definitions are is for the reader to judge. */
export interface StoredList {
  readonly serverId: string
  readonly kind: ListKind
  readonly source: string
  readonly version: number
  readonly hash: string
  readonly listedAt: Date
  readonly isPrivate: boolean
  readonly definitions: readonly unknown[]
}

/** One change of a list, by the names of its items. */
export interface ListVersion {
  readonly kind: ListKind
  readonly version: number
  readonly at: Date
  readonly added: readonly string[]
  readonly changed: readonly string[]
  readonly removed: readonly string[]
}

/** Versions of one list that are kept, and that are answered at once. */
export const keptVersions = 100
