/** Orphans in the table `user_tokens`, on PGlite or Postgres. */
import { type Database, userTokens, writeStore } from '@toolgate/db'
import { and, inArray, isNotNull, isNull, lte, notInArray, sql } from 'drizzle-orm'
import type { OrphansByServer, OrphanStore } from './orphaned-accounts.ts'

export function createPostgresOrphanStore({ db }: Pick<Database, 'db'>): OrphanStore {
  return {
    mark: (knownIds) =>
      writeStore(db, async (within) => {
        const isKnown = inArray(userTokens.serverId, [...knownIds])
        await within
          .update(userTokens)
          .set({ orphanedAt: null })
          .where(and(isNotNull(userTokens.orphanedAt), isKnown))
        const marked = await within
          .update(userTokens)
          .set({ orphanedAt: sql`now()` })
          .where(and(isNull(userTokens.orphanedAt), notInArray(userTokens.serverId, [...knownIds])))
          .returning({ serverId: userTokens.serverId })
        return counted(marked)
      }),
    remove: (knownIds, afterMs) =>
      writeStore(db, async (within) => {
        const isOld = lte(userTokens.orphanedAt, sql`now() - ${afterMs} * interval '1 millisecond'`)
        const removed = await within
          .delete(userTokens)
          .where(and(isOld, notInArray(userTokens.serverId, [...knownIds])))
          .returning({ serverId: userTokens.serverId })
        return counted(removed)
      }),
  }
}

function counted(rows: readonly { readonly serverId: string }[]): OrphansByServer {
  const counts = new Map<string, number>()
  for (const { serverId } of rows) counts.set(serverId, (counts.get(serverId) ?? 0) + 1)
  return counts
}
