/**
 * Where sealed values are kept, so that one program can seal all of them anew. A test finds every column whose name says
 * that it is sealed, so that none is forgotten here.
 */
import { and, asc, eq, getTableName, gt, isNotNull } from 'drizzle-orm'
import type { Queries } from './database.ts'
import { mcpServers } from './schema/mcp-servers.ts'
import { userTokens } from './schema/user-tokens.ts'

export interface SealedColumn {
  readonly table: string
  readonly column: string
  /** Up to `limit` values, by the ids of their rows, behind this one. */
  read(db: Queries, after: string, limit: number): Promise<readonly SealedValue[]>
  /** Puts another value in the place of this very one; false where it was changed meanwhile. */
  replace(db: Queries, value: SealedValue, sealed: string): Promise<boolean>
}

export interface SealedValue {
  readonly id: string
  readonly sealed: string
}

export const sealedColumns: readonly SealedColumn[] = [
  {
    table: getTableName(mcpServers),
    column: mcpServers.sealedSecrets.name,
    async read(db, after, limit) {
      const rows = await db
        .select({ id: mcpServers.id, sealed: mcpServers.sealedSecrets })
        .from(mcpServers)
        .where(and(gt(mcpServers.id, after), isNotNull(mcpServers.sealedSecrets)))
        .orderBy(asc(mcpServers.id))
        .limit(limit)
      return rows.map(({ id, sealed }) => ({ id, sealed: sealed ?? '' }))
    },
    async replace(db, { id, sealed }, next) {
      const replaced = await db
        .update(mcpServers)
        .set({ sealedSecrets: next })
        .where(and(eq(mcpServers.id, id), eq(mcpServers.sealedSecrets, sealed)))
        .returning({ id: mcpServers.id })
      return replaced.length > 0
    },
  },
  {
    table: getTableName(userTokens),
    column: userTokens.sealed.name,
    read: (db, after, limit) =>
      db
        .select({ id: userTokens.id, sealed: userTokens.sealed })
        .from(userTokens)
        .where(gt(userTokens.id, after))
        .orderBy(asc(userTokens.id))
        .limit(limit),
    async replace(db, { id, sealed }, next) {
      const replaced = await db
        .update(userTokens)
        .set({ sealed: next })
        .where(and(eq(userTokens.id, id), eq(userTokens.sealed, sealed)))
        .returning({ id: userTokens.id })
      return replaced.length > 0
    },
  },
]
