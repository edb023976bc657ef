import { askStore, type Database, lockNumbers, oauthClients, type Queries, writeStore } from '@toolgate/db'
import { and, asc, count, eq, inArray, isNull, lte, sql } from 'drizzle-orm'
import { type ClientStore, mostClients, unusedMs } from './client-store.ts'

export interface PostgresClientStoreOptions {
  readonly database: Pick<Database, 'db'>
  readonly most?: number
}

/** Clients in the table `oauth_clients`, on PGlite or Postgres. */
export function createPostgresClientStore({
  database: { db },
  most = mostClients,
}: PostgresClientStoreOptions): ClientStore {
  return {
    insert: (client) =>
      writeStore(db, async (within) => {
        // Two that register at once must not both find room for one.
        await within.execute(sql`select pg_advisory_xact_lock(${lockNumbers.oauthClients})`)
        await sweep(within, client.createdAt)
        await evict(within, most - 1)
        await within.insert(oauthClients).values(client)
      }),
    find: (id) =>
      askStore(async () => {
        const [client] = await db.select().from(oauthClients).where(eq(oauthClients.id, id))
        return client
      }),
    touch: (id, now) =>
      askStore(async () => {
        await db.update(oauthClients).set({ usedAt: now }).where(eq(oauthClients.id, id))
      }),
  }
}

/** What nobody let in: whoever registered it has gone, or was only filling the table. */
async function sweep(within: Queries, now: Date): Promise<void> {
  const before = new Date(now.getTime() - unusedMs)
  await within.delete(oauthClients).where(and(isNull(oauthClients.usedAt), lte(oauthClients.createdAt, before)))
}

async function evict(within: Queries, keep: number): Promise<void> {
  const [stored] = await within.select({ number: count() }).from(oauthClients)
  const tooMany = (stored?.number ?? 0) - keep
  if (tooMany <= 0) return
  const first = within
    .select({ id: oauthClients.id })
    .from(oauthClients)
    .orderBy(sql`${oauthClients.usedAt} asc nulls first`, asc(oauthClients.createdAt))
    .limit(tooMany)
  await within.delete(oauthClients).where(inArray(oauthClients.id, first))
}
