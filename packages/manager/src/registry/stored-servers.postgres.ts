/**
 * Stored servers in Postgres or PGlite. Writers take turns: names, aliases and ids of all servers share one space, which no
 * index of a column can guard. Administrators write rarely.
 */
import { GatewayError, type NewId, randomId } from '@toolgate/core'
import {
  askStore,
  changedSince,
  type Database,
  lockNumbers,
  type McpServerRow,
  mcpServers,
  type Queries,
  recordChange,
  userTokens,
  writeStore,
} from '@toolgate/db'
import { and, asc, eq, inArray, ne, not, or, type SQL, sql } from 'drizzle-orm'
import {
  type ChangedServer,
  serverChangesChannel,
  serverObjectType,
  type StoredServer,
  type StoredServers,
} from './stored-servers.ts'

export function createPostgresStoredServers({ db }: Database, newId: NewId = randomId): StoredServers {
  const write = <Answer>(work: (within: Queries) => Promise<Answer>): Promise<Answer> =>
    writeStore(db, async (within) => {
      await within.execute(sql`select pg_advisory_xact_lock(${lockNumbers.storedServers})`)
      return work(within)
    })

  return {
    list: () => askStore(() => listServers(db)),
    find: (ids) => askStore(() => findServers(db, ids)),
    insert: (server, actor) => write((within) => insertServer(within, server, { actor, newId })),
    update: (id, change, actor) => write((within) => updateServer(within, { id, change }, { actor, newId })),
    remove: (id, actor) => write((within) => removeServer(within, id, { actor, newId })),
    changedSince: (mark, signal) => askStore(() => changedSince(db, serverObjectType, mark), signal),
  }
}

/** Who writes, and what makes the ids of the events. */
interface Writer {
  readonly actor: string
  readonly newId: NewId
}

function listServers(db: Queries): Promise<McpServerRow[]> {
  return db.select().from(mcpServers).orderBy(asc(mcpServers.createdAt), asc(mcpServers.id))
}

async function findServers(db: Queries, ids: readonly string[]): Promise<McpServerRow[]> {
  if (ids.length === 0) return []
  return db
    .select()
    .from(mcpServers)
    .where(inArray(mcpServers.id, [...ids]))
}

async function insertServer(
  within: Queries,
  server: StoredServer & { readonly id: string },
  { actor, newId }: Writer,
): Promise<McpServerRow> {
  await refuseTaken(within, server)
  const [row] = await within
    .insert(mcpServers)
    // Not the start of the transaction, which may have waited for its turn.
    .values({
      ...server,
      createdBy: actor,
      updatedBy: actor,
      createdAt: sql`clock_timestamp()`,
      updatedAt: sql`clock_timestamp()`,
    })
    .returning()
  if (row === undefined) throw new Error('the insert returned no row')
  await record(within, { row, at: row.updatedAt, action: 'mcp_server.create' }, { actor, newId })
  return row
}

async function updateServer(
  within: Queries,
  { id, change }: { id: string; change: (current: McpServerRow) => Promise<ChangedServer> },
  { actor, newId }: Writer,
): Promise<McpServerRow | undefined> {
  const [current] = await within.select().from(mcpServers).where(eq(mcpServers.id, id)).for('update')
  if (current === undefined) return undefined
  const { name, alias, settings, sealedSecrets, kept } = await change(current)
  await refuseTaken(within, { id, name, alias }, id)
  const [row] = await within
    .update(mcpServers)
    .set({ name, alias, settings, sealedSecrets, updatedBy: actor, updatedAt: sql`clock_timestamp()` })
    .where(eq(mcpServers.id, id))
    .returning()
  if (row === undefined) throw new Error('the update returned no row')
  await within.delete(userTokens).where(and(eq(userTokens.serverId, id), isOfNone(kept)))
  await record(within, { row, at: row.updatedAt, action: 'mcp_server.update' }, { actor, newId })
  return row
}

/** For what the server was before: an administrator's change is one that is meant, and the same for all gateways. */
function isOfNone(kept: ChangedServer['kept']): SQL | undefined {
  const { kind, identity } = userTokens
  const isOfOne = or(...[...kept].map(([of, as]) => and(eq(kind, of), eq(identity, as))))
  return isOfOne && not(isOfOne)
}

async function removeServer(within: Queries, id: string, { actor, newId }: Writer): Promise<boolean> {
  const [row] = await within.delete(mcpServers).where(eq(mcpServers.id, id)).returning()
  if (row === undefined) return false
  // Accounts of users there are of no use to anybody any more, and may be good for years.
  await within.delete(userTokens).where(eq(userTokens.serverId, id))
  await record(within, { row, action: 'mcp_server.delete' }, { actor, newId })
  return true
}

/** The event names the server and not its settings, which hold addresses. */
async function record(
  within: Queries,
  { row, at, action }: { row: McpServerRow; at?: Date; action: string },
  { actor, newId }: Writer,
): Promise<void> {
  await recordChange(within, {
    objectType: serverObjectType,
    objectId: row.id,
    channel: serverChangesChannel,
    ...(at !== undefined && { at }),
    actor,
    action,
    newId,
    details: { name: row.name, alias: row.alias },
  })
}

/** A grant written for one server must not come to mean another, so what is one's id, name or alias is nobody else's. */
async function refuseTaken(within: Queries, given: Handles, ownId?: string): Promise<void> {
  const words = [given.id, given.name, ...(given.alias === null ? [] : [given.alias])]
  const [other] = await within
    .select()
    .from(mcpServers)
    .where(
      and(
        ownId === undefined ? undefined : ne(mcpServers.id, ownId),
        or(inArray(mcpServers.id, words), inArray(mcpServers.name, words), inArray(mcpServers.alias, words)),
      ),
    )
    .limit(1)
  if (other === undefined) return
  const field = takenField(given, [other.id, other.name, other.alias])
  throw new GatewayError('CONFLICT', `${field}: another server has it already. Choose another.`, { details: { field } })
}

type Handles = Pick<McpServerRow, 'id' | 'name' | 'alias'>

function takenField({ id, name, alias }: Handles, taken: readonly (string | null)[]): string {
  if (taken.includes(id)) return 'server_id'
  // Without a name of its own a server has its alias as one.
  return taken.includes(name) && name !== alias ? 'server_name' : 'alias'
}
