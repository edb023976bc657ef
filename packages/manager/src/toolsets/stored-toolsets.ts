import type { ObjectChanges, ToolsetRow } from '@toolgate/db'

/** The channel on which every change of a toolset is announced; the payload is its id. */
export const toolsetChangesChannel = 'toolsets'

/** Of the management events. */
export const toolsetObjectType = 'toolset'

/** Every gateway holds all of them in memory. */
export const mostToolsets = 1_000

/** What an administrator said about a toolset. */
export type StoredToolset = Pick<ToolsetRow, 'name' | 'description' | 'tools'>

/**
 * Where toolsets are kept. Every write leaves a management event and announces the id, in one transaction. Rejects with
 * `STORE_UNAVAILABLE` where the store cannot be asked. Implemented in `stored-toolsets.postgres.ts`.
 */
export interface StoredToolsets {
  /** The oldest first. */
  list(): Promise<readonly ToolsetRow[]>
  /** Rejects with `TOOLSET_EXISTS` where another has this name, or this name as its id. */
  insert(toolset: StoredToolset, actor: string): Promise<ToolsetRow>
  /**
   * Locks the row and stores what `change` makes of it. `change` must not ask the store. Undefined where there is no such
   * toolset. Rejects as `insert` and `change` do.
   */
  update(id: string, change: (current: ToolsetRow) => StoredToolset, actor: string): Promise<ToolsetRow | undefined>
  /** False where there was no such toolset. */
  remove(id: string, actor: string): Promise<boolean>
  /** What changed since the mark of an earlier answer, with some overlap; without a mark nothing. */
  changedSince(mark: Date | undefined, signal?: AbortSignal): Promise<ObjectChanges>
}
