/**
 * Clients that registered, by id, in memory: what was registered never changes. One that has gone from the store is known for a
 * minute longer, and harms nobody: what it can show was let in by a person, or is refused there.
 */
import type { Clock } from '@toolgate/core'
import type { OauthClientRow } from '@toolgate/db'
import { LRUCache } from 'lru-cache'
import type { ClientStore } from './client-store.ts'
import type { Asker, OauthClient } from './clients.ts'
import { createRateLimit } from './rate-limit.ts'

const mostKept = 2_000
const keptMs = 60_000
/** Ids in a minute, from one address, of which there is no client: each is a question to the store. */
const mostUnknown = 60

export interface RegisteredClientsOptions {
  readonly store: Pick<ClientStore, 'find'>
  readonly clock: Clock
}

/** Undefined where there is none. Rejects with `STORE_UNAVAILABLE`, or `TOO_MANY_REQUESTS` for one who asks for many that are not. */
export function createRegisteredClients({ store, clock }: RegisteredClientsOptions) {
  const known = new LRUCache<string, OauthClient>({
    perf: { now: () => clock.monotonic() },
    ttlResolution: 0,
    max: mostKept,
    ttl: keptMs,
  })
  const unknown = createRateLimit({ clock, windowMs: 60_000, perKey: mostUnknown })

  return async (id: string, { address }: Asker): Promise<OauthClient | undefined> => {
    const kept = known.get(id)
    if (kept !== undefined) return kept
    const takeBack = unknown.count(address)
    let isUnknown = false
    try {
      const row = await store.find(id)
      isUnknown = row === undefined
      if (row === undefined) return undefined
      const client = fromRow(row)
      known.set(id, client)
      return client
    } finally {
      if (!isUnknown) takeBack()
    }
  }
}

function fromRow(row: OauthClientRow): OauthClient {
  const { id, name, redirectUris, grantTypes, tokenEndpointAuthMethod: method, secretHash } = row
  return {
    id,
    name: name ?? undefined,
    redirectUris,
    refreshable: grantTypes.includes('refresh_token'),
    host: undefined,
    proof: method === 'none' || secretHash === null ? { method: 'none' } : { method, secretHash },
  }
}
