/** Toolsets in the table `toolsets`, on PGlite or Postgres. Writers take turns: names and ids share one space. */
import { GatewayError, type NewId, randomId } from '@toolgate/core'
import {
  askStore,
  changedSince,
  type Database,
  lockNumbers,
  type Queries,
  recordChange,
  type ToolsetRow,
  toolsets,
  writeStore,
} from '@toolgate/db'
import { and, asc, count, eq, ne, or, sql } from 'drizzle-orm'
import {
  mostToolsets,
  type StoredToolset,
  type StoredToolsets,
  toolsetChangesChannel,
  toolsetObjectType,
} from './stored-toolsets.ts'

export function createPostgresStoredToolsets({ db }: Database, newId: NewId = randomId): StoredToolsets {
  const write = <Answer>(work: (within: Queries) => Promise<Answer>): Promise<Answer> =>
    writeStore(db, async (within) => {
      await within.execute(sql`select pg_advisory_xact_lock(${lockNumbers.toolsets})`)
      return work(within)
    })

  return {
    list: () => askStore(() => db.select().from(toolsets).orderBy(asc(toolsets.createdAt), asc(toolsets.id))),
    insert: (toolset, actor) => write((within) => insertToolset(within, toolset, { actor, newId })),
    update: (id, change, actor) => write((within) => updateToolset(within, { id, change }, { actor, newId })),
    remove: (id, actor) => write((within) => removeToolset(within, id, { actor, newId })),
    changedSince: (mark, signal) => askStore(() => changedSince(db, toolsetObjectType, mark), signal),
  }
}

/** Who writes, and what makes ids. */
interface Writer {
  readonly actor: string
  readonly newId: NewId
}

async function insertToolset(within: Queries, toolset: StoredToolset, writer: Writer): Promise<ToolsetRow> {
  const id = writer.newId('toolset')
  await refuseTaken(within, { id, name: toolset.name })
  const [stored] = await within.select({ number: count() }).from(toolsets)
  if ((stored?.number ?? 0) >= mostToolsets) {
    throw new GatewayError('INVALID_REQUEST', `There are ${mostToolsets} toolsets already, and no more are kept.`)
  }
  const now = sql`clock_timestamp()`
  const by = { createdBy: writer.actor, updatedBy: writer.actor, createdAt: now, updatedAt: now }
  const [row] = await within
    .insert(toolsets)
    .values({ id, ...toolset, ...by })
    .returning()
  if (row === undefined) throw new Error('the insert returned no row')
  await record(within, { row, at: row.updatedAt, action: 'toolset.create' }, writer)
  return row
}

async function updateToolset(
  within: Queries,
  { id, change }: { id: string; change: (current: ToolsetRow) => StoredToolset },
  writer: Writer,
): Promise<ToolsetRow | undefined> {
  const [current] = await within.select().from(toolsets).where(eq(toolsets.id, id)).for('update')
  if (current === undefined) return undefined
  const { name, description, tools } = change(current)
  await refuseTaken(within, { id, name })
  const [row] = await within
    .update(toolsets)
    .set({ name, description, tools, updatedBy: writer.actor, updatedAt: sql`clock_timestamp()` })
    .where(eq(toolsets.id, id))
    .returning()
  if (row === undefined) throw new Error('the update returned no row')
  await record(within, { row, at: row.updatedAt, action: 'toolset.update' }, writer)
  return row
}

async function removeToolset(within: Queries, id: string, writer: Writer): Promise<boolean> {
  const [row] = await within.delete(toolsets).where(eq(toolsets.id, id)).returning()
  if (row === undefined) return false
  await record(within, { row, action: 'toolset.delete' }, writer)
  return true
}

async function record(
  within: Queries,
  { row, at, action }: { row: ToolsetRow; at?: Date; action: string },
  { actor, newId }: Writer,
): Promise<void> {
  await recordChange(within, {
    objectType: toolsetObjectType,
    objectId: row.id,
    channel: toolsetChangesChannel,
    ...(at !== undefined && { at }),
    actor,
    action,
    newId,
    details: { name: row.name, tools: row.tools.length },
  })
}

/** Grants name toolsets by id or name: one that was written for one must not come to mean another. */
async function refuseTaken(within: Queries, { id, name }: Pick<ToolsetRow, 'id' | 'name'>): Promise<void> {
  const [other] = await within
    .select({ id: toolsets.id })
    .from(toolsets)
    .where(and(ne(toolsets.id, id), or(eq(toolsets.name, name), eq(toolsets.id, name), eq(toolsets.name, id))))
    .limit(1)
  if (other === undefined) return
  throw new GatewayError('TOOLSET_EXISTS', `toolset_name: a toolset named "${name}" exists already. Choose another.`, {
    details: { field: 'toolset_name' },
  })
}
