/** Orphans in the table `user_tokens`, on PGlite or Postgres. */
import { type Database, userTokens, writeStore } from '@toolgate/db'
import { and, inArray, isNotNull, isNull, lte, not, or, type SQL, sql } from 'drizzle-orm'
import type { DeclaredServers, OrphansByServer, OrphanStore } from './orphaned-accounts.ts'

export function createPostgresOrphanStore({ db }: Pick<Database, 'db'>): OrphanStore {
  return {
    mark: (declared) =>
      writeStore(db, async (within) => {
        const fits = fitsOneOf(declared)
        await within
          .update(userTokens)
          .set({ orphanedAt: null })
          .where(and(isNotNull(userTokens.orphanedAt), fits))
        const marked = await within
          .update(userTokens)
          .set({ orphanedAt: sql`now()` })
          .where(and(isNull(userTokens.orphanedAt), not(fits)))
          .returning({ serverId: userTokens.serverId })
        return counted(marked)
      }),
    remove: (declared, afterMs) =>
      writeStore(db, async (within) => {
        const isOld = lte(userTokens.orphanedAt, sql`now() - ${afterMs} * interval '1 millisecond'`)
        const removed = await within
          .delete(userTokens)
          .where(and(isOld, not(fitsOneOf(declared))))
          .returning({ serverId: userTokens.serverId })
        return counted(removed)
      }),
  }
}

/** What is for a server as it is declared; for one of which that is not known, whatever is for it. */
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

function counted(rows: readonly { readonly serverId: string }[]): OrphansByServer {
  const counts = new Map<string, number>()
  for (const { serverId } of rows) counts.set(serverId, (counts.get(serverId) ?? 0) + 1)
  return counts
}
