import type { Clock, CredentialSource } from '@toolgate/core'
import type { ManagedServer } from '../registry/managed-server.ts'
import type { Upstreams } from '../upstream/upstreams.ts'
import { discover } from './discovery.ts'
import type { Listing } from './listing.ts'

/**
 * Asks a server that is in no registry for its tools, on the same way as calls go. Nothing of it stays: no list, no
 * connection, no record of its failures.
 */
export interface Preview {
  /** `server` has an id of its own. Rejects with a `GatewayError` naming server and stage. */
  tools(server: ManagedServer, signal: AbortSignal): Promise<Listing>
}

export interface PreviewOptions extends Upstreams {
  readonly credentials: CredentialSource
  readonly clock: Clock
}

export function createPreview({ credentials, ...upstreams }: PreviewOptions): Preview {
  const { pool, circuits } = upstreams
  return {
    async tools(server, signal) {
      try {
        return await discover(upstreams, {
          server,
          kind: 'tools',
          caller: undefined,
          signal,
          despiteCircuit: true,
          resolve: () => credentials.forDiscovery(server, signal),
        })
      } finally {
        pool.retire(server.id)
        circuits.retire(server.id)
      }
    },
  }
}
