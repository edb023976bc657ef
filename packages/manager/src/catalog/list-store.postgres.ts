import { askStore, writeStore, type Queries, serverListItems, serverLists, serverListVersions } from '@toolgate/db'
import { and, asc, desc, eq, inArray, isNotNull, isNull, lte, sql } from 'drizzle-orm'
import {
  keptVersions,
  type ListStore,
  type ListVersion,
  type ObservedItem,
  type ObservedList,
  type SavedList,
  type StoredList,
} from './list-store.ts'

/** Rows of one statement: each value is a parameter, of which Postgres takes 65,535. */
const rowsPerStatement = 500

/** Definitions of one list that its server no longer offers and that are kept all the same; the oldest go first. */
const keptRemovals = 1_000

/** Lists in the tables `server_lists`, `server_list_items` and `server_list_versions`, on PGlite or Postgres. */
export function createPostgresListStore(db: Queries): ListStore {
  return {
    load: (serverIds) => askStore(() => load(db, serverIds)),
    save: (list) => writeStore(db, (within) => save(within, list)),
    versions: (serverId, limit) => askStore(() => versionsOf(db, serverId, limit)),
    forget: (serverId) => writeStore(db, (within) => forget(within, serverId)),
  }
}

async function load(db: Queries, serverIds: readonly string[]): Promise<readonly StoredList[]> {
  const loaded: StoredList[] = []
  for (const ids of chunked(serverIds)) {
    const lists = await db.select().from(serverLists).where(inArray(serverLists.serverId, ids))
    const { serverId, kind, definition, position } = serverListItems
    const items = await db
      .select({ serverId, kind, definition })
      .from(serverListItems)
      .where(and(inArray(serverId, ids), isNull(serverListItems.removedAt)))
      .orderBy(asc(position))
    const byList = Map.groupBy(items, (item) => `${item.kind} ${item.serverId}`)
    for (const { changedAt: _, ...list } of lists) {
      const definitions = byList.get(`${list.kind} ${list.serverId}`) ?? []
      loaded.push({ ...list, definitions: definitions.map((item) => item.definition) })
    }
  }
  return loaded
}

async function save(within: Queries, list: ObservedList): Promise<SavedList> {
  const stored = await lockList(within, list)
  const { serverId, kind, source, hash, listedAt, isPrivate } = list
  if (stored.version > 0 && stored.source === source && stored.hash === hash) {
    await within
      .update(serverLists)
      .set({ isPrivate, listedAt: sql`greatest(${serverLists.listedAt}, ${listedAt.toISOString()}::timestamptz)` })
      .where(isList(serverLists, list))
    return { version: stored.version, changed: false }
  }
  const difference = await writeItems(within, list, stored.source !== source)
  const version = stored.version + 1
  await within
    .update(serverLists)
    .set({ source, hash, version, changedAt: listedAt, listedAt, isPrivate })
    .where(isList(serverLists, list))
  await within.insert(serverListVersions).values({ serverId, kind, version, at: listedAt, hash, ...difference })
  await within
    .delete(serverListVersions)
    .where(and(isList(serverListVersions, list), lte(serverListVersions.version, version - keptVersions)))
  return { version, changed: true }
}

/** The row of this list, held until the transaction ends; one that was never written has version 0. */
async function lockList(within: Queries, list: ObservedList) {
  const { serverId, kind, source, listedAt } = list
  const nothing = { serverId, kind, source, version: 0, hash: '', changedAt: listedAt, listedAt }
  await within.insert(serverLists).values(nothing).onConflictDoNothing()
  const [row] = await within.select().from(serverLists).where(isList(serverLists, list)).for('update')
  if (row === undefined) throw new Error('the list that was just written is gone')
  return row
}

type Difference = Pick<ListVersion, 'added' | 'changed' | 'removed'>

async function writeItems(within: Queries, list: ObservedList, replaced: boolean): Promise<Difference> {
  const { name, hash, position, removedAt } = serverListItems
  const ofThisList = isList(serverListItems, list)
  const rows = await within.select({ name, hash, position, removedAt }).from(serverListItems).where(ofThisList)
  const offered = new Map(rows.filter((row) => row.removedAt === null).map((row) => [row.name, row]))
  if (replaced) await within.delete(serverListItems).where(ofThisList)

  const listed = new Set(list.items.map((item) => item.name))
  const removed = [...offered.keys()].filter((known) => !listed.has(known))
  const isNew = (item: ObservedItem) => replaced || !offered.has(item.name)
  const isChanged = (item: ObservedItem) => !isNew(item) && offered.get(item.name)?.hash !== item.hash
  const moved = list.items
    .map((item, at) => ({ item, position: at }))
    .filter(({ item, position: at }) => isNew(item) || isChanged(item) || offered.get(item.name)?.position !== at)
  for (const some of chunked(moved)) await upsert(within, list, some)
  if (!replaced) await markRemoved(within, list, removed)
  return {
    added: list.items.filter(isNew).map((item) => item.name),
    changed: list.items.filter(isChanged).map((item) => item.name),
    removed,
  }
}

type Placed = readonly { readonly item: ObservedItem; readonly position: number }[]

async function upsert(within: Queries, { serverId, kind, listedAt }: ObservedList, items: Placed): Promise<void> {
  const rows = items.map(({ item, position }) => ({
    serverId,
    kind,
    ...item,
    position,
    firstSeenAt: listedAt,
    lastChangedAt: listedAt,
    removedAt: null,
  }))
  const table = serverListItems
  await within
    .insert(table)
    .values(rows)
    .onConflictDoUpdate({
      target: [table.serverId, table.kind, table.name],
      set: {
        position: sql`excluded.position`,
        hash: sql`excluded.hash`,
        definition: sql`excluded.definition`,
        lastChangedAt: sql`case when ${table.hash} = excluded.hash then ${table.lastChangedAt} else excluded.last_changed_at end`,
        removedAt: null,
      },
    })
}

async function markRemoved(within: Queries, list: ObservedList, names: readonly string[]): Promise<void> {
  const { name, removedAt } = serverListItems
  for (const some of chunked(names)) {
    await within
      .update(serverListItems)
      .set({ removedAt: list.listedAt })
      .where(and(isList(serverListItems, list), inArray(name, some)))
  }
  if (names.length === 0) return
  const surplus = within
    .select({ name })
    .from(serverListItems)
    .where(and(isList(serverListItems, list), isNotNull(removedAt)))
    .orderBy(desc(removedAt), asc(name))
    .offset(keptRemovals)
  await within.delete(serverListItems).where(and(isList(serverListItems, list), inArray(name, surplus)))
}

async function versionsOf(db: Queries, serverId: string, limit: number): Promise<readonly ListVersion[]> {
  const { kind, version, at, added, changed, removed } = serverListVersions
  return db
    .select({ kind, version, at, added, changed, removed })
    .from(serverListVersions)
    .where(eq(serverListVersions.serverId, serverId))
    .orderBy(desc(at), asc(kind), desc(version))
    .limit(limit)
}

/** The list first, as everybody who writes takes it first. */
async function forget(within: Queries, serverId: string): Promise<void> {
  await within.delete(serverLists).where(eq(serverLists.serverId, serverId))
  await within.delete(serverListItems).where(eq(serverListItems.serverId, serverId))
  await within.delete(serverListVersions).where(eq(serverListVersions.serverId, serverId))
}

type ListTable = typeof serverLists | typeof serverListItems | typeof serverListVersions

function isList(table: ListTable, { serverId, kind }: Pick<ObservedList, 'serverId' | 'kind'>) {
  return and(eq(table.serverId, serverId), eq(table.kind, kind))
}

function* chunked<Item>(items: readonly Item[]): Generator<Item[]> {
  for (let start = 0; start < items.length; start += rowsPerStatement)
    yield items.slice(start, start + rowsPerStatement)
}
