/** Pages of keys, of deleted keys and of aliases. A filter that is absent filters nothing. */
import { deletedKeys, type Queries, type VirtualKeyRow, virtualKeys } from '@toolgate/db'
import { and, asc, count, desc, eq, gt, ilike, inArray, isNotNull, isNull, lte, or, type SQL, sql } from 'drizzle-orm'
import type { AnyPgColumn } from 'drizzle-orm/pg-core'
import type { AliasFilter, DeletedKey, KeyFilter, Page } from './key-store.ts'

export async function listKeys(db: Queries, filter: KeyFilter): Promise<Page<VirtualKeyRow>> {
  const matching = and(
    ofUser(db, filter),
    is(virtualKeys.teamId, filter.teamId),
    is(virtualKeys.organizationId, filter.organizationId),
    is(virtualKeys.projectId, filter.projectId),
    is(virtualKeys.agentId, filter.agentId),
    is(virtualKeys.hash, filter.hash),
    named(virtualKeys.keyAlias, filter.alias, filter.substrings),
    filter.accessGroupId === undefined ? undefined : sql`${virtualKeys.accessGroupIds} ? ${filter.accessGroupId}`,
    endedOrNot(filter),
  )
  const order = filter.descending ? desc : asc
  const rows = await db
    .select()
    .from(virtualKeys)
    .where(matching)
    // The hash decides between equals: without it a row could be on two pages or on none.
    .orderBy(order(virtualKeys[filter.sortBy]), order(virtualKeys.hash))
    .offset(filter.offset)
    .limit(filter.limit)
  const [counted] = await db.select({ total: count() }).from(virtualKeys).where(matching)
  return { rows, total: counted?.total ?? 0 }
}

/** By the time of deletion. Of what a deleted key was, only its row as the API showed it is left. */
export async function listDeletedKeys(db: Queries, filter: KeyFilter): Promise<Page<DeletedKey>> {
  const matching = and(
    named(deletedKeys.userId, filter.userId, filter.substrings),
    is(deletedKeys.teamId, filter.teamId),
    is(deletedKeys.hash, filter.hash),
    named(deletedKeys.keyAlias, filter.alias, filter.substrings),
    said('organization_id', filter.organizationId),
    said('project_id', filter.projectId),
    said('agent_id', filter.agentId),
  )
  const order = filter.descending ? desc : asc
  const rows = await db
    .select()
    .from(deletedKeys)
    .where(matching)
    .orderBy(order(deletedKeys.deletedAt), order(deletedKeys.hash))
    .offset(filter.offset)
    .limit(filter.limit)
  const [counted] = await db.select({ total: count() }).from(deletedKeys).where(matching)
  return { rows, total: counted?.total ?? 0 }
}

export async function listAliases(db: Queries, filter: AliasFilter): Promise<Page<string>> {
  const matching = and(
    isNotNull(virtualKeys.keyAlias),
    named(virtualKeys.keyAlias, filter.search, true),
    is(virtualKeys.teamId, filter.teamId),
  )
  const rows = await db
    .select({ alias: virtualKeys.keyAlias })
    .from(virtualKeys)
    .where(matching)
    .orderBy(asc(virtualKeys.keyAlias))
    .offset(filter.offset)
    .limit(filter.limit)
  const [counted] = await db.select({ total: count() }).from(virtualKeys).where(matching)
  return { rows: rows.flatMap(({ alias }) => alias ?? []), total: counted?.total ?? 0 }
}

function ofUser(db: Queries, { userId, substrings, orCreatedByUser, orTeamsOfUser }: KeyFilter): SQL | undefined {
  if (userId === undefined) return undefined
  const teams = db.select({ id: virtualKeys.teamId }).from(virtualKeys).where(eq(virtualKeys.userId, userId))
  return or(
    named(virtualKeys.userId, userId, substrings),
    orCreatedByUser === true ? eq(virtualKeys.createdBy, userId) : undefined,
    orTeamsOfUser === true ? inArray(virtualKeys.teamId, teams) : undefined,
  )
}

function is(column: AnyPgColumn, value: string | undefined): SQL | undefined {
  return value === undefined ? undefined : eq(column, value)
}

function named(column: AnyPgColumn, value: string | undefined, substring = false): SQL | undefined {
  if (value === undefined || !substring) return is(column, value)
  return ilike(column, `%${value.replaceAll(/[\\%_]/g, (sign) => `\\${sign}`)}%`)
}

function said(field: string, value: string | undefined): SQL | undefined {
  return value === undefined ? undefined : sql`${deletedKeys.row} ->> ${field} = ${value}`
}

function endedOrNot({ expires }: KeyFilter): SQL | undefined {
  if (expires === undefined) return undefined
  if (expires.state === 'expired') return lte(virtualKeys.expires, expires.now)
  return or(isNull(virtualKeys.expires), gt(virtualKeys.expires, expires.now))
}
