/**
 * Definitions of tools in the table `tool_definitions`, on PGlite or Postgres. Writers take turns: of two gateways that see a
 * server's first list at once, one makes it the first.
 */
import { GatewayError, type NewId, randomId } from '@toolgate/core'
import {
  askStore,
  changedSince,
  type Database,
  lockNumbers,
  type Queries,
  recordChange,
  toolDefinitions,
  type ToolDefinitionRow,
  writeStore,
} from '@toolgate/db'
import { and, asc, eq, gt, inArray, ne, sql } from 'drizzle-orm'
import {
  type Decision,
  type DefinitionKey,
  type DefinitionRecord,
  type JudgedDefinition,
  type Observed,
  type SeenDefinition,
  toolDefinitionChangesChannel,
  type ToolDefinitions,
  toolDefinitionObjectType,
  type Verdict,
} from './tool-definitions.ts'

/** Rows of one statement: each value is a parameter, of which Postgres takes 65,535. */
const rowsPerStatement = 500
/** Undecided definitions of one tool; the oldest go first. A server that changes with every list must not fill the table. */
const keptPerTool = 10
/** Undecided definitions of one server; beyond it new ones are held and not kept. */
const keptPerServer = 12_000
const mostRecords = 5_000

/** Who trusted what nobody has looked at. */
const firstUse = 'first use'

export function createPostgresToolDefinitions({ db }: Database, newId: NewId = randomId): ToolDefinitions {
  const write = <Answer>(work: (within: Queries) => Promise<Answer>): Promise<Answer> =>
    writeStore(db, async (within) => {
      await within.execute(sql`select pg_advisory_xact_lock(${lockNumbers.toolDefinitions})`)
      return work(within)
    })

  return {
    load: (serverId) => askStore(() => judged(db, serverId)),
    observe: (serverId, seen) => write((within) => observe(within, { serverId, seen, newId })),
    records: (verdict, serverId) => askStore(() => records(db, verdict, serverId)),
    decide: (serverId, decision, actor) => write((within) => decide(within, { serverId, decision, actor, newId })),
    forget: (serverId) =>
      write(async (within) => {
        await within.delete(toolDefinitions).where(eq(toolDefinitions.serverId, serverId))
      }),
    changedSince: (mark, signal) => askStore(() => changedSince(db, toolDefinitionObjectType, mark), signal),
  }
}

function judged(db: Queries, serverId: string): Promise<JudgedDefinition[]> {
  const { name, hash, verdict } = toolDefinitions
  return db.select({ name, hash, verdict }).from(toolDefinitions).where(eq(toolDefinitions.serverId, serverId))
}

interface Observation {
  readonly serverId: string
  readonly seen: readonly SeenDefinition[]
  readonly newId: NewId
}

async function observe(within: Queries, { serverId, seen, newId }: Observation): Promise<Observed> {
  const known = await judged(within, serverId)
  const first = known.length === 0
  const undecided = known.filter(({ verdict }) => verdict !== 'approved').length
  const kept = first ? seen : seen.slice(0, Math.max(0, keptPerServer - undecided))
  // One time for all of a list, and after the wait for one's turn.
  const at = sql`statement_timestamp()`
  const rows = kept.map((one) => ({
    serverId,
    ...one,
    verdict: first ? ('approved' as const) : ('pending' as const),
    firstSeenAt: at,
    decidedAt: first ? at : null,
    decidedBy: first ? firstUse : null,
  }))
  for (const some of chunked(rows)) await within.insert(toolDefinitions).values(some).onConflictDoNothing()
  if (first && kept.length > 0) {
    await recordChange(within, {
      ...aboutServer(serverId),
      actor: firstUse,
      action: 'tool_definitions.trust_first_list',
      newId,
      details: { tools: kept.length },
    })
  }
  if (!first) await dropSurplus(within, serverId)
  return { first, definitions: await judged(within, serverId) }
}

/** The undecided definitions of each tool beyond the bound. */
async function dropSurplus(within: Queries, serverId: string): Promise<void> {
  const { name, hash, verdict, firstSeenAt } = toolDefinitions
  const ofServer = and(eq(toolDefinitions.serverId, serverId), ne(verdict, 'approved'))
  const age = sql<number>`row_number() over (partition by ${name} order by ${firstSeenAt} desc, ${hash})`.as('age')
  const aged = within.select({ name, hash, age }).from(toolDefinitions).where(ofServer).as('aged')
  const surplus = within.select({ name: aged.name, hash: aged.hash }).from(aged).where(gt(aged.age, keptPerTool))
  await within.delete(toolDefinitions).where(and(ofServer, sql`(${name}, ${hash}) in ${surplus}`))
}

async function records(db: Queries, verdict: Verdict, serverId?: string): Promise<readonly DefinitionRecord[]> {
  const ofServer = serverId === undefined ? undefined : eq(toolDefinitions.serverId, serverId)
  const rows = await db
    .select()
    .from(toolDefinitions)
    .where(and(eq(toolDefinitions.verdict, verdict), ofServer))
    .orderBy(asc(toolDefinitions.firstSeenAt), asc(toolDefinitions.name), asc(toolDefinitions.hash))
    .limit(mostRecords)
  const names = [...new Set(rows.map(({ name }) => name))]
  const approved = new Map<string, ToolDefinitionRow>()
  for (const some of chunked(names)) {
    const others = await db
      .select()
      .from(toolDefinitions)
      .where(and(eq(toolDefinitions.verdict, 'approved'), ofServer, inArray(toolDefinitions.name, some)))
      .orderBy(asc(toolDefinitions.decidedAt), asc(toolDefinitions.hash))
    for (const other of others) approved.set(toolKey(other), other)
  }
  return rows.map((row) => {
    const latest = approved.get(toolKey(row))
    return { ...row, approved: latest?.hash === row.hash ? undefined : latest?.definition }
  })
}

function toolKey({ serverId, name }: Pick<ToolDefinitionRow, 'serverId' | 'name'>): string {
  return JSON.stringify([serverId, name])
}

interface Deciding {
  readonly serverId: string
  readonly decision: Decision
  readonly actor: string
  readonly newId: NewId
}

async function decide(
  within: Queries,
  { serverId, decision, actor, newId }: Deciding,
): Promise<readonly DefinitionKey[]> {
  const { tools, verdict } = decision
  const known = await judged(within, serverId)
  const chosen = tools === undefined ? known.filter((one) => one.verdict === 'pending') : matching(known, tools)
  const decided = chosen.filter((one) => one.verdict !== verdict).map(({ name, hash }) => ({ name, hash }))
  for (const some of chunked(decided)) {
    const keys = some.map(({ name, hash }) => and(eq(toolDefinitions.name, name), eq(toolDefinitions.hash, hash)))
    await within
      .update(toolDefinitions)
      .set({ verdict, decidedAt: sql`clock_timestamp()`, decidedBy: actor })
      .where(and(eq(toolDefinitions.serverId, serverId), sql`(${sql.join(keys, sql` or `)})`))
  }
  if (decided.length === 0) return decided
  const action = verdict === 'approved' ? 'tool_definitions.approve' : 'tool_definitions.reject'
  await recordChange(within, { ...aboutServer(serverId), actor, action, newId, details: { tools: decided } })
  return decided
}

function matching(known: readonly JudgedDefinition[], tools: readonly DefinitionKey[]): readonly JudgedDefinition[] {
  const byKey = new Map(known.map((one) => [JSON.stringify([one.name, one.hash]), one]))
  return tools.map(({ name, hash }) => {
    const found = byKey.get(JSON.stringify([name, hash]))
    if (found !== undefined) return found
    throw new GatewayError('TOOL_CHANGE_NOT_FOUND', `No definition of tool "${name}" with this hash was seen here.`, {
      details: { tool: name, hash },
    })
  })
}

function aboutServer(serverId: string) {
  return { objectType: toolDefinitionObjectType, objectId: serverId, channel: toolDefinitionChangesChannel }
}

function* chunked<Item>(items: readonly Item[]): Generator<Item[]> {
  for (let start = 0; start < items.length; start += rowsPerStatement)
    yield items.slice(start, start + rowsPerStatement)
}
