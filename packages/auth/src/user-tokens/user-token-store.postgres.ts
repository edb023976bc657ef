/** Users' tokens in the table `user_tokens`, on PGlite or Postgres. */
import type { NewId } from '@toolgate/core'
import {
  askStore,
  changedSince,
  type Database,
  lockNumbers,
  publish,
  type Queries,
  recordChange,
  type UserTokenRow,
  userTokens,
  writeStore,
} from '@toolgate/db'
import { and, eq, isNull, lte, or, sql } from 'drizzle-orm'
import {
  type HeldKind,
  holderKey,
  mostWantedScopes,
  type TokenHolder,
  userTokenChangesChannel,
  type UserTokenStore,
  userTokenType,
} from './user-token-store.ts'

export function createPostgresUserTokenStore({ db }: Pick<Database, 'db'>, newId: NewId): UserTokenStore {
  const record = (within: Queries, holder: TokenHolder, action: string) =>
    recordChange(within, {
      objectType: userTokenType,
      objectId: holderKey(holder),
      channel: userTokenChangesChannel,
      actor: holder.owner,
      action,
      details: { server_id: holder.serverId, ...(holder.kind !== undefined && { kind: holder.kind }) },
      newId,
    })

  return {
    find: (holder) =>
      askStore(async () => {
        const [row] = await db.select().from(userTokens).where(isOf(holder))
        return row
      }),
    findAllOf: (owner, kind = 'credential') =>
      askStore(() =>
        db
          .select()
          .from(userTokens)
          .where(and(eq(userTokens.owner, owner), eq(userTokens.kind, kind))),
      ),
    changedSince: (mark, signal) => askStore(() => changedSince(db, userTokenType, mark), signal),
    save: (holder, next) =>
      writeStore(db, async (within) => {
        // Also of two who find nothing there.
        await within.execute(
          sql`select pg_advisory_xact_lock(hashtextextended(${holderKey(holder)}, ${lockNumbers.userTokens}))`,
        )
        const [former] = await within.select().from(userTokens).where(isOf(holder))
        const tokens = await next(former)
        await within.delete(userTokens).where(isOf(holder))
        const [row] = await within
          .insert(userTokens)
          .values({ ...holder, ...tokens })
          .returning()
        if (row === undefined) throw new Error('the insert returned no row')
        await record(within, holder, 'user_token.connect')
        return row
      }),
    remove: (holder) =>
      writeStore(db, async (within) => {
        const [removed] = await within.delete(userTokens).where(isOf(holder)).returning()
        if (removed !== undefined) await record(within, holder, 'user_token.disconnect')
        return removed
      }),
    want: ({ id }, scopes) => writeStore(db, (within) => want(within, id, scopes)),
    claim: (row, forMs) => askStore(() => claim(db, row, forMs)),
    settle: (row, outcome) => writeStore(db, (within) => settle(within, row, outcome)),
  }
}

type Claimed = Pick<UserTokenRow, 'id' | 'version'>

async function claim(db: Queries, row: Claimed, forMs: number): Promise<boolean> {
  const free = or(isNull(userTokens.refreshingUntil), lte(userTokens.refreshingUntil, sql`now()`))
  const claimed = await db
    .update(userTokens)
    .set({ refreshingUntil: sql`now() + ${forMs} * interval '1 millisecond'`, orphanedAt: null })
    .where(and(isStill(row), eq(userTokens.needsSignIn, false), free))
    .returning({ id: userTokens.id })
  return claimed.length > 0
}

async function want(within: Queries, id: string, scopes: readonly string[]): Promise<void> {
  const isThis = eq(userTokens.id, id)
  const [row] = await within.select({ wanted: userTokens.wantedScopes }).from(userTokens).where(isThis).for('update')
  const wantedScopes = [...new Set([...(row?.wanted ?? []), ...scopes])].slice(0, mostWantedScopes)
  await within.update(userTokens).set({ wantedScopes }).where(isThis)
}

async function settle(
  within: Queries,
  row: Claimed,
  outcome: Parameters<UserTokenStore['settle']>[1],
): Promise<UserTokenRow | undefined> {
  const change =
    outcome === 'failed'
      ? {}
      : outcome === 'needs_sign_in'
        ? { needsSignIn: true }
        : { ...outcome, version: row.version + 1 }
  const [settled] = await within
    .update(userTokens)
    .set({ ...change, refreshingUntil: null, orphanedAt: null })
    .where(isStill(row))
    .returning()
  if (settled !== undefined && outcome !== 'failed') {
    await publish(within, {
      channel: userTokenChangesChannel,
      payload: holderKey({ ...settled, kind: kindOf(settled) }),
    })
  }
  return settled
}

function isOf({ owner, serverId, kind = 'credential' }: TokenHolder) {
  return and(eq(userTokens.owner, owner), eq(userTokens.serverId, serverId), eq(userTokens.kind, kind))
}

function kindOf({ kind }: Pick<UserTokenRow, 'kind'>): HeldKind {
  return kind === 'variables' ? 'variables' : 'credential'
}

function isStill({ id, version }: Pick<UserTokenRow, 'id' | 'version'>) {
  return and(eq(userTokens.id, id), eq(userTokens.version, version))
}
