import type { ManagedServer } from '../registry/managed-server.ts'
import type { Handshake } from '../upstream/connection.ts'

/** What servers said of themselves, as long as their definitions live: another revision may be another server. */
export function createHandshakes() {
  const known = new WeakMap<ManagedServer, Handshake>()
  return {
    note: (server: ManagedServer, handshake: Handshake): void => void known.set(server, handshake),
    of: (server: ManagedServer): Handshake | undefined => known.get(server),
  }
}
