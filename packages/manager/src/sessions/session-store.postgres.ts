import { isJsonObject, type NewId, randomId } from '@toolgate/core'
import {
  askStore,
  type Database,
  lockNumbers,
  mcpSessionMail,
  type McpSessionRow,
  mcpSessions,
  mcpStreamEvents,
  publish,
  type Queries,
  writeStore,
} from '@toolgate/db'
import { and, asc, count, eq, gt, inArray, isNull, lt, lte, notInArray, or, sql } from 'drizzle-orm'
import {
  type OpenRequest,
  sessionChannel,
  type SessionStore,
  type StoredSession,
  type StreamEvent,
  type Use,
} from './session-store.ts'
import { announce, takeMail } from './mail.postgres.ts'
import { endNotice } from './notices.ts'

/** Events kept of one stream; a client that comes later than that has missed some. */
const eventsPerStream = 1_000

/** Ids in one statement. */
const idsPerStatement = 5_000

/** Sessions in the tables `mcp_sessions`, `mcp_session_mail` and `mcp_stream_events`, on PGlite or Postgres. */
export function createPostgresSessionStore({ db }: Pick<Database, 'db'>, newId: NewId = randomId): SessionStore {
  return {
    open: (request) => writeStore(db, (within) => open(within, request)),
    load: (id) => askStore(() => load(db, id)),
    setLogLevel: (id, logLevel) =>
      askStore(async () => void (await db.update(mcpSessions).set({ logLevel }).where(eq(mcpSessions.id, id)))),
    setSubscriptions: (id, uris) =>
      askStore(async () => {
        const subscriptions = uris.length > 0 ? uris : null
        await db.update(mcpSessions).set({ subscriptions }).where(eq(mcpSessions.id, id))
      }),
    touch: (use) => askStore(() => touch(db, use)),
    end: (id) => writeStore(db, async (within) => (await endAll(within, [id])).length > 0),
    endIdle: (idleMs) => writeStore(db, (within) => endIdle(within, idleMs)),
    announce: (message) => writeStore(db, (within) => announce(within, { channel: sessionChannel, message, newId })),
    takeMail: (id) => askStore(() => takeMail(db, id)),
    appendEvents: (stream, events) => askStore(() => appendEvents(db, stream, events)),
    eventsAfter: (stream, position) => askStore(() => eventsAfter(db, stream, position)),
    forgetOld: (olderThanMs) =>
      askStore(async () => {
        await db.delete(mcpSessionMail).where(lt(mcpSessionMail.at, ago(olderThanMs)))
        await db.delete(mcpStreamEvents).where(lt(mcpStreamEvents.at, ago(olderThanMs)))
      }),
  }
}

function ago(ms: number) {
  return sql`clock_timestamp() - ${`${ms} milliseconds`}::interval`
}

/** Openings of one owner take turns, so that the cap holds at every gateway together. */
async function open(within: Queries, { session, cap, busy }: OpenRequest): Promise<readonly string[] | undefined> {
  const { owner } = session
  await within.execute(sql`select pg_advisory_xact_lock(hashtextextended(${owner}, ${lockNumbers.mcpSessions}))`)
  const [found] = await within.select({ sessions: count() }).from(mcpSessions).where(eq(mcpSessions.owner, owner))
  const surplus = (found?.sessions ?? 0) + 1 - cap
  const evicted = surplus > 0 ? await evict(within, { owner, surplus, busy }) : []
  if (evicted === undefined) return undefined
  const { names, logLevel, client, subscriptions: _, ...kept } = session
  const said = { names: names ?? null, logLevel: logLevel ?? null, client: client ?? null }
  await within.insert(mcpSessions).values({ ...kept, ...said })
  return evicted
}

async function evict(
  within: Queries,
  { owner, surplus, busy }: { owner: string; surplus: number; busy: readonly string[] },
): Promise<readonly string[] | undefined> {
  const { id, heldUntil, usedAt } = mcpSessions
  const free = or(isNull(heldUntil), lt(heldUntil, sql`clock_timestamp()`))
  const idle = await within
    .select({ id })
    .from(mcpSessions)
    .where(and(eq(mcpSessions.owner, owner), free, busy.length > 0 ? notInArray(id, [...busy]) : undefined))
    .orderBy(asc(usedAt))
    .limit(surplus)
  if (idle.length < surplus) return undefined
  return endAll(
    within,
    idle.map((session) => session.id),
  )
}

async function endAll(within: Queries, ids: readonly string[]): Promise<readonly string[]> {
  if (ids.length === 0) return []
  const ended = await within
    .delete(mcpSessions)
    .where(inArray(mcpSessions.id, [...ids]))
    .returning({ id: mcpSessions.id })
  for (const { id } of ended) await publish(within, { channel: sessionChannel, payload: endNotice(id) })
  return ended.map(({ id }) => id)
}

/** No notice for these: each gateway finds its own to be idle. */
async function endIdle(within: Queries, idleMs: number): Promise<readonly string[]> {
  const { usedAt, heldUntil } = mcpSessions
  const free = or(isNull(heldUntil), lt(heldUntil, sql`clock_timestamp()`))
  const ended = await within
    .delete(mcpSessions)
    .where(and(lt(usedAt, ago(idleMs)), free))
    .returning({ id: mcpSessions.id })
  return ended.map(({ id }) => id)
}

async function load(db: Queries, id: string): Promise<StoredSession | undefined> {
  const [row] = await db.select().from(mcpSessions).where(eq(mcpSessions.id, id))
  return row && toSession(row)
}

function toSession({ id, owner, protocolVersion, capabilities, client, ...row }: McpSessionRow): StoredSession {
  const { names, logLevel, subscriptions } = row
  return {
    id,
    owner,
    protocolVersion,
    capabilities: isJsonObject(capabilities) ? capabilities : {},
    client: client ?? undefined,
    names: names ?? undefined,
    logLevel: logLevel ?? undefined,
    subscriptions: subscriptions ?? [],
  }
}

async function touch(db: Queries, { used, held, heldForMs }: Use): Promise<readonly string[]> {
  const present: string[] = []
  const until = sql`clock_timestamp() + ${`${heldForMs} milliseconds`}::interval`
  for (const [ids, change] of [
    [used, { usedAt: sql`clock_timestamp()` }],
    [held, { heldUntil: until, usedAt: sql`clock_timestamp()` }],
  ] as const) {
    for (let from = 0; from < ids.length; from += idsPerStatement) {
      const rows = await db
        .update(mcpSessions)
        .set(change)
        .where(inArray(mcpSessions.id, ids.slice(from, from + idsPerStatement)))
        .returning({ id: mcpSessions.id })
      present.push(...rows.map(({ id }) => id))
    }
  }
  return present
}

async function appendEvents(
  db: Queries,
  { id, sessionId }: { id: string; sessionId: string },
  events: readonly StreamEvent[],
): Promise<void> {
  const latest = events.at(-1)
  if (latest === undefined) return
  const rows = events.map((event) => ({ streamId: id, sessionId, ...event }))
  await db.insert(mcpStreamEvents).values(rows).onConflictDoNothing()
  const { streamId, position } = mcpStreamEvents
  const surplus = latest.position - eventsPerStream
  if (surplus > 0) await db.delete(mcpStreamEvents).where(and(eq(streamId, id), lte(position, surplus)))
}

async function eventsAfter(
  db: Queries,
  { id, sessionId }: { id: string; sessionId: string },
  position: number,
): Promise<readonly StreamEvent[]> {
  const { message, last } = mcpStreamEvents
  return db
    .select({ position: mcpStreamEvents.position, message, last })
    .from(mcpStreamEvents)
    .where(
      and(
        eq(mcpStreamEvents.streamId, id),
        eq(mcpStreamEvents.sessionId, sessionId),
        gt(mcpStreamEvents.position, position),
      ),
    )
    .orderBy(asc(mcpStreamEvents.position))
    .limit(eventsPerStream)
}
