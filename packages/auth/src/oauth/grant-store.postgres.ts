/** Grants in the tables `oauth_grants`, `oauth_codes` and `oauth_access_tokens`, on PGlite or Postgres. */
import type { NewId } from '@toolgate/core'
import {
  askStore,
  changedSince,
  type Database,
  oauthAccessTokens,
  oauthClients,
  oauthCodes,
  oauthGrants,
  type OauthCodeRow,
  type OauthGrantRow,
  type Queries,
  recordChange,
  writeStore,
} from '@toolgate/db'
import { and, asc, desc, eq, gt, inArray, lte } from 'drizzle-orm'
import {
  type CodeExchange,
  type Exchanged,
  type GrantBounds,
  grantBounds,
  grantChangesChannel,
  grantObjectType,
  type GrantQuery,
  type GrantStore,
  type ListedGrant,
  type NewAccessToken,
  type Rotation,
} from './grant-store.ts'
import { lifetimes } from './lifetimes.ts'

/** Expired rows that one write takes away. */
const sweptAtOnce = 100

export interface PostgresGrantStoreOptions {
  readonly database: Pick<Database, 'db'>
  readonly newId: NewId
  readonly bounds?: Partial<GrantBounds>
}

export function createPostgresGrantStore({ database, newId, bounds = {} }: PostgresGrantStoreOptions): GrantStore {
  const { db } = database
  const context = { newId, bounds: { ...grantBounds, ...bounds } }
  return {
    saveCode: (code, now) =>
      writeStore(db, async (within) => {
        await within.insert(oauthCodes).values(code)
        await dropCodes(within, code.keyHash, { now, keep: context.bounds.codesPerKey })
      }),
    exchangeCode: (exchange) => writeStore(db, (within) => exchangeCode(within, exchange, context)),
    rotate: (rotation) => writeStore(db, (within) => rotate(within, rotation, context)),
    findAccessToken: (hash, now, signal) =>
      askStore(async () => {
        const [found] = await db
          .select({ grant: oauthGrants, issuedAt: oauthAccessTokens.issuedAt, expiresAt: oauthAccessTokens.expiresAt })
          .from(oauthAccessTokens)
          .innerJoin(oauthGrants, eq(oauthGrants.id, oauthAccessTokens.grantId))
          .where(and(eq(oauthAccessTokens.hash, hash), gt(oauthAccessTokens.expiresAt, now)))
        return found
      }, signal),
    findRefreshToken: (refreshHash, now) =>
      askStore(async () => {
        const [grant] = await db
          .select()
          .from(oauthGrants)
          .where(and(eq(oauthGrants.refreshHash, refreshHash), gt(oauthGrants.refreshExpiresAt, now)))
        return grant
      }),
    list: (query) => askStore(() => listGrants(db, query)),
    find: (grantId) =>
      askStore(async () => {
        const [grant] = await db.select().from(oauthGrants).where(eq(oauthGrants.id, grantId))
        return grant
      }),
    revoke: (grantId, actor) =>
      writeStore(db, (within) => revoke(within, grantId, { ...context, actor, reason: 'asked' })),
    changedSince: (mark, signal) => askStore(() => changedSince(db, grantObjectType, mark), signal),
  }
}

function listGrants(db: Queries, { keyHashes, after, limit, now }: GrantQuery): Promise<ListedGrant[]> {
  return db
    .select({ grant: oauthGrants, clientName: oauthClients.name })
    .from(oauthGrants)
    .leftJoin(oauthClients, eq(oauthClients.id, oauthGrants.clientId))
    .where(
      and(
        gt(oauthGrants.expiresAt, now),
        after === undefined ? undefined : gt(oauthGrants.id, after),
        keyHashes === undefined ? undefined : inArray(oauthGrants.keyHash, [...keyHashes]),
      ),
    )
    .orderBy(asc(oauthGrants.id))
    .limit(limit)
}

interface Context {
  readonly newId: NewId
  readonly bounds: GrantBounds
}

async function exchangeCode(within: Queries, exchange: CodeExchange, context: Context): Promise<Exchanged> {
  const { hash, now, accepts } = exchange
  const [code] = await within.select().from(oauthCodes).where(eq(oauthCodes.hash, hash)).for('update')
  if (code === undefined) return 'unknown'
  if (code.grantId !== null) {
    await revoke(within, code.grantId, { ...context, actor: code.clientId, reason: 'code_replayed' })
    return 'replayed'
  }
  if (code.spentAt !== null || code.expiresAt <= now) return 'unknown'
  if (!accepts(code)) {
    await within.update(oauthCodes).set({ spentAt: now }).where(eq(oauthCodes.hash, hash))
    return 'unknown'
  }
  const grant = await insertGrant(within, exchange, { ...context, code })
  await within.update(oauthCodes).set({ grantId: grant.id, spentAt: now }).where(eq(oauthCodes.hash, hash))
  return { grant }
}

async function insertGrant(
  within: Queries,
  { now, issue, grantExpiresAt }: CodeExchange,
  { code, ...context }: Context & { readonly code: OauthCodeRow },
): Promise<OauthGrantRow> {
  const { clientId, keyHash, person, audience, scope } = code
  const [grant] = await within
    .insert(oauthGrants)
    .values({
      id: context.newId('grant'),
      clientId,
      keyHash,
      person,
      audience,
      scope,
      ...issue.refresh,
      createdAt: now,
      expiresAt: grantExpiresAt(code),
    })
    .returning()
  if (grant === undefined) throw new Error('the insert returned no row')
  await within.insert(oauthAccessTokens).values({ ...issue.access, grantId: grant.id })
  await record(within, grant, { ...context, actor: keyHash, action: 'oauth_grant.create' })
  await sweep(within, now)
  await evictGrants(within, keyHash, context)
  return grant
}

async function rotate(within: Queries, rotation: Rotation, context: Context): Promise<Exchanged> {
  const { familyHash, refreshHash, now, accepts, issue } = rotation
  const [grant] = await within.select().from(oauthGrants).where(eq(oauthGrants.familyHash, familyHash)).for('update')
  if (grant === undefined || grant.expiresAt <= now) return 'unknown'
  // Digests are compared: how long that takes tells nothing of a token.
  if (grant.refreshHash !== refreshHash) {
    if (isOvertaken(grant, rotation)) return 'overtaken'
    await revoke(within, grant.id, { ...context, actor: grant.clientId, reason: 'refresh_token_replayed' })
    return 'replayed'
  }
  if (grant.refreshExpiresAt === null || grant.refreshExpiresAt <= now || !accepts(grant)) return 'unknown'
  const { access, ...refresh } = issue
  const former = { formerRefreshHash: refreshHash, rotatedAt: now }
  await within
    .update(oauthGrants)
    .set({ ...refresh, ...former })
    .where(eq(oauthGrants.id, grant.id))
  await addAccessToken(within, grant.id, { access, keep: context.bounds.accessTokensPerGrant })
  return { grant }
}

/**
 * Two processes of one client, or two requests of one, refresh at once: the second one is late and no thief. It gets nothing, so
 * a thief who comes within this while gets nothing either; one who came first is found out when the client comes again later.
 */
function isOvertaken(grant: OauthGrantRow, { refreshHash, now, accepts }: Rotation): boolean {
  const { formerRefreshHash, rotatedAt } = grant
  if (formerRefreshHash !== refreshHash || rotatedAt === null) return false
  return now.getTime() - rotatedAt.getTime() < lifetimes.overtakenMs && accepts(grant)
}

async function addAccessToken(
  within: Queries,
  grantId: string,
  { access, keep }: { access: NewAccessToken; keep: number },
): Promise<void> {
  await within.insert(oauthAccessTokens).values({ ...access, grantId })
  const beyond = within
    .select({ hash: oauthAccessTokens.hash })
    .from(oauthAccessTokens)
    .where(eq(oauthAccessTokens.grantId, grantId))
    .orderBy(desc(oauthAccessTokens.issuedAt), desc(oauthAccessTokens.hash))
    .offset(keep)
  await within.delete(oauthAccessTokens).where(inArray(oauthAccessTokens.hash, beyond))
}

/** Of a grant that was revoked its tokens go with it. */
async function revoke(
  within: Queries,
  grantId: string,
  { actor, reason, newId }: { actor: string; reason: string; newId: NewId },
): Promise<boolean> {
  const [grant] = await within.delete(oauthGrants).where(eq(oauthGrants.id, grantId)).returning()
  if (grant === undefined) return false
  await record(within, grant, { actor, action: 'oauth_grant.revoke', reason, newId })
  return true
}

async function record(
  within: Queries,
  { id, clientId, keyHash, audience }: OauthGrantRow,
  { actor, action, reason, newId }: { actor: string; action: string; reason?: string; newId: NewId },
): Promise<void> {
  await recordChange(within, {
    objectType: grantObjectType,
    objectId: id,
    channel: grantChangesChannel,
    actor,
    action,
    newId,
    details: { client: clientId, key: keyHash, audience, ...(reason !== undefined && { reason }) },
  })
}

async function evictGrants(within: Queries, keyHash: string, { newId, bounds }: Context): Promise<void> {
  const beyond = await within
    .select({ id: oauthGrants.id })
    .from(oauthGrants)
    .where(eq(oauthGrants.keyHash, keyHash))
    .orderBy(desc(oauthGrants.createdAt), desc(oauthGrants.id))
    .offset(bounds.grantsPerKey)
  for (const { id } of beyond) await revoke(within, id, { actor: keyHash, reason: 'too_many_grants', newId })
}

async function dropCodes(within: Queries, keyHash: string, { now, keep }: { now: Date; keep: number }): Promise<void> {
  const beyond = within
    .select({ hash: oauthCodes.hash })
    .from(oauthCodes)
    .where(and(eq(oauthCodes.keyHash, keyHash), gt(oauthCodes.expiresAt, now)))
    .orderBy(desc(oauthCodes.expiresAt), desc(oauthCodes.hash))
    .offset(keep)
  await within.delete(oauthCodes).where(inArray(oauthCodes.hash, beyond))
}

/** What has expired, of anybody. A code that was exchanged stays as long as its grant might be somebody else's. */
async function sweep(within: Queries, now: Date): Promise<void> {
  const codes = within
    .select({ hash: oauthCodes.hash })
    .from(oauthCodes)
    .where(lte(oauthCodes.expiresAt, new Date(now.getTime() - replayMemoryMs)))
    .limit(sweptAtOnce)
  await within.delete(oauthCodes).where(inArray(oauthCodes.hash, codes))
  // Of a grant its tokens go with it, and a call that one let in may be under way.
  const longAgo = new Date(now.getTime() - lifetimes.longestCallMs)
  const tokens = within
    .select({ hash: oauthAccessTokens.hash })
    .from(oauthAccessTokens)
    .where(lte(oauthAccessTokens.expiresAt, longAgo))
    .limit(sweptAtOnce)
  await within.delete(oauthAccessTokens).where(inArray(oauthAccessTokens.hash, tokens))
  const grants = within
    .select({ id: oauthGrants.id })
    .from(oauthGrants)
    .where(lte(oauthGrants.expiresAt, longAgo))
    .limit(sweptAtOnce)
  await within.delete(oauthGrants).where(inArray(oauthGrants.id, grants))
}

/** Milliseconds after its end for which a code is known as one that was. */
const replayMemoryMs = 24 * 60 * 60_000
