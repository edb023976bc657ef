import type { McpServerRow } from '@toolgate/db'

/** The channel on which every change of a stored server is announced; the payload is the server's id. */
export const serverChangesChannel = 'mcp_servers'

/** Of the management events. */
export const serverObjectType = 'mcp_server'

/**
 * Where the servers of the admin API are kept. Every write leaves a management event and announces the server's id, in one
 * transaction. Rejects with `STORE_UNAVAILABLE` where the store cannot be asked.
 */
export interface StoredServers {
  /** The oldest first: of two that claim one name, that is who keeps it. */
  list(): Promise<readonly McpServerRow[]>
  find(ids: readonly string[]): Promise<readonly McpServerRow[]>
  /** Rejects with `CONFLICT` and `details.field` where a server has this id, name or alias. */
  insert(server: StoredServer & { readonly id: string }, actor: string): Promise<McpServerRow>
  /**
   * Locks the row and stores what `change` makes of it, so that of two writers at once the second sees what the first wrote.
   * `change` must not ask the store. Undefined where there is no such server. Rejects as `insert` and `change` do.
   */
  update(
    id: string,
    change: (current: McpServerRow) => Promise<ChangedServer>,
    actor: string,
  ): Promise<McpServerRow | undefined>
  /** False where there was no such server. */
  remove(id: string, actor: string): Promise<boolean>
  /** What changed since the mark of an earlier answer, with some overlap; without a mark nothing. */
  changedSince(mark: Date | undefined, signal?: AbortSignal): Promise<ServerChanges>
}

/** What an administrator said about a server. */
export type StoredServer = Pick<McpServerRow, 'name' | 'alias' | 'settings' | 'sealedSecrets'>

export interface ChangedServer extends StoredServer {
  /** By kind, for which identity of it what users handed over is kept. What is there for another one is removed with the change. */
  readonly kept: ReadonlyMap<string, string>
}

export interface ServerChanges {
  readonly changes: readonly { readonly id: string; readonly at: Date }[]
  /** False where there were more changes than are worth listing. */
  readonly complete: boolean
  readonly mark: Date
}
