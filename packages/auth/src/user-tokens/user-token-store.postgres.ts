/** Users' tokens in the table `user_tokens`, on PGlite or Postgres. */
import { askStore, type Database, type UserTokenRow, userTokens, writeStore } from '@toolgate/db'
import { and, eq, isNull, lte, or, sql } from 'drizzle-orm'
import type { TokenHolder, UserTokenStore } from './user-token-store.ts'

export function createPostgresUserTokenStore({ db }: Pick<Database, 'db'>): UserTokenStore {
  return {
    find: (holder) =>
      askStore(async () => {
        const [row] = await db.select().from(userTokens).where(isOf(holder))
        return row
      }),
    save: (tokens) =>
      writeStore(db, async (within) => {
        await within.delete(userTokens).where(isOf(tokens))
        const [row] = await within.insert(userTokens).values(tokens).returning()
        if (row === undefined) throw new Error('the insert returned no row')
        return row
      }),
    remove: (holder) =>
      askStore(async () => {
        const removed = await db.delete(userTokens).where(isOf(holder)).returning({ id: userTokens.id })
        return removed.length > 0
      }),
    claim: (row, forMs) =>
      askStore(async () => {
        const free = or(isNull(userTokens.refreshingUntil), lte(userTokens.refreshingUntil, sql`now()`))
        const claimed = await db
          .update(userTokens)
          .set({ refreshingUntil: sql`now() + ${forMs} * interval '1 millisecond'` })
          .where(and(isStill(row), eq(userTokens.needsSignIn, false), free))
          .returning({ id: userTokens.id })
        return claimed.length > 0
      }),
    settle: (row, outcome) =>
      askStore(async () => {
        const { version } = row
        const change =
          outcome === 'failed'
            ? {}
            : outcome === 'needs_sign_in'
              ? { needsSignIn: true }
              : { ...outcome, version: version + 1 }
        const [settled] = await db
          .update(userTokens)
          .set({ ...change, refreshingUntil: null })
          .where(isStill(row))
          .returning()
        return settled
      }),
  }
}

function isOf({ owner, serverId }: TokenHolder) {
  return and(eq(userTokens.owner, owner), eq(userTokens.serverId, serverId))
}

function isStill({ id, version }: Pick<UserTokenRow, 'id' | 'version'>) {
  return and(eq(userTokens.id, id), eq(userTokens.version, version))
}
