/** Orphans in the table `user_tokens`, on PGlite or Postgres. */
import { type Database, lockNumbers, type Queries, userTokens, writeStore } from '@toolgate/db'
import { and, gte, inArray, isNotNull, isNull, not, or, type SQL, sql } from 'drizzle-orm'
import type { DeclaredServers, Orphans, OrphanStore } from './orphaned-accounts.ts'

const { orphanedAt, orphanedFor } = userTokens
const named = { serverId: userTokens.serverId, serverName: userTokens.serverName }

export function createPostgresOrphanStore({ db }: Pick<Database, 'db'>): OrphanStore {
  return {
    look: (declared, { mostCountedMs, keptMs }, deadline) =>
      writeStore(
        db,
        async (within) => {
          // Gateways that know other servers take the same rows in another order.
          await within.execute(sql`select pg_advisory_xact_lock(${lockNumbers.orphanedAccounts})`)
          const fits = fitsOneOf(declared)
          await within
            .update(userTokens)
            .set({ orphanedAt: null })
            .where(and(isNotNull(orphanedAt), fits))
          await count(within, mostCountedMs)
          const marked = await within
            .update(userTokens)
            .set({ orphanedAt: sql`now()`, orphanedFor: sql`interval '0'` })
            .where(and(isNull(orphanedAt), not(fits)))
            .returning(named)
          const removed = await within
            .delete(userTokens)
            .where(and(isNotNull(orphanedAt), gte(orphanedFor, milliseconds(keptMs))))
            .returning(named)
          return { marked: byServer(marked), removed: byServer(removed) }
        },
        deadline,
      ),
  }
}

/** Of what is marked already. A mark from before time was counted has none yet. */
async function count(within: Queries, mostMs: number): Promise<void> {
  const since = sql`least(now() - ${orphanedAt}, ${milliseconds(mostMs)})`
  await within
    .update(userTokens)
    .set({ orphanedAt: sql`now()`, orphanedFor: sql`coalesce(${orphanedFor}, interval '0') + ${since}` })
    .where(isNotNull(orphanedAt))
}

function milliseconds(ms: number): SQL {
  return sql`${ms} * interval '1 millisecond'`
}

/** What is for a server as it is declared; for one of which that is not known, whatever is at it. */
function fitsOneOf(declared: DeclaredServers): SQL {
  const unread: string[] = []
  const kept: SQL[] = []
  for (const [id, { identities }] of declared) {
    if (identities === undefined) unread.push(id)
    for (const [kind, identity] of identities ?? []) kept.push(sql`(${id}, ${kind}, ${identity})`)
  }
  const { serverId, kind, identity } = userTokens
  const isKept = kept.length > 0 ? sql`(${serverId}, ${kind}, ${identity}) in (${sql.join(kept, sql`, `)})` : undefined
  return or(inArray(serverId, unread), isKept) ?? sql`false`
}

function byServer(
  rows: readonly { readonly serverId: string; readonly serverName: string | null }[],
): readonly Orphans[] {
  const ofServers = Map.groupBy(rows, ({ serverId }) => serverId)
  return [...ofServers].map(([id, all]) => ({
    id,
    name: all.find(({ serverName }) => serverName !== null)?.serverName ?? undefined,
    secrets: all.length,
  }))
}
