/** A server by its id, name or alias, whether it is in use or set aside: one answer for every door that takes a handle. */
import type { McpServerRow } from '@toolgate/db'
import type { ManagedServer } from '@toolgate/manager'
import type { StoredState } from './stored-state.ts'

export interface FoundServer {
  readonly id: string
  readonly name: string
  /** Absent where it is not in use. */
  readonly server: ManagedServer | undefined
  /** Absent where it is one of the file. */
  readonly row: McpServerRow | undefined
  /** Why it is not in use. */
  readonly reason: string | undefined
}

/** An id comes before a name: what is set aside may have the name of another one, and must be reached by something. */
export function findServer(
  handle: string,
  inUse: readonly ManagedServer[],
  stored: readonly StoredState[],
): FoundServer | undefined {
  const all = allServers(inUse, stored)
  const isCalled = ({ name, server, row }: FoundServer) => [name, server?.alias, row?.alias].includes(handle)
  return all.find(({ id }) => id === handle) ?? all.find(isCalled)
}

/** Those in use, then those set aside. */
export function allServers(inUse: readonly ManagedServer[], stored: readonly StoredState[]): readonly FoundServer[] {
  const rows = new Map(stored.map(({ row }) => [row.id, row]))
  const live = inUse.map((server) => {
    const { id, name, origin } = server
    return { id, name, server, row: origin === 'stored' ? rows.get(id) : undefined, reason: undefined }
  })
  const aside = stored.flatMap(({ row, reason }) =>
    reason === undefined ? [] : [{ id: row.id, name: row.name, server: undefined, row, reason }],
  )
  return [...live, ...aside]
}
