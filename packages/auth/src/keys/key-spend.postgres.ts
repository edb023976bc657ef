import type { Clock } from '@toolgate/core'
import { askStore, type Database, virtualKeys, writeStore } from '@toolgate/db'
import { and, eq, lte, sql } from 'drizzle-orm'
import { addDuration, parseDuration } from './durations.ts'

/** What keys have spent, in their rows. It is no change of a key: nobody is told and nothing is recorded but the row itself. */
export interface KeySpendStore {
  add(spent: ReadonlyMap<string, number>, signal: AbortSignal): Promise<void>
  budgetOf(keyHash: string, signal: AbortSignal): Promise<{ spent: number; most: number } | undefined>
}

export function createPostgresKeySpendStore({ db }: Pick<Database, 'db'>, clock: Clock): KeySpendStore {
  const read = async (keyHash: string) => {
    const { spend, maxBudget, budgetDuration, budgetResetAt } = virtualKeys
    const [row] = await db
      .select({ spend, maxBudget, budgetDuration, budgetResetAt })
      .from(virtualKeys)
      .where(eq(virtualKeys.hash, keyHash))
    return row
  }

  /** Of several that find it over, the first one begins it anew. */
  const beginAnew = async (keyHash: string, duration: string, over: Date) => {
    const next = nextReset(over, duration, clock.now())
    await db
      .update(virtualKeys)
      .set({ spend: 0, budgetResetAt: next })
      .where(and(eq(virtualKeys.hash, keyHash), lte(virtualKeys.budgetResetAt, over)))
  }

  return {
    add(spent, signal) {
      const rows = JSON.stringify([...spent].map(([hash, dollars]) => ({ hash, dollars })))
      const update = sql`update ${virtualKeys} set spend = ${virtualKeys}.spend + spent.dollars
        from json_to_recordset(${rows}::text::json) as spent (hash text, dollars double precision)
        where ${virtualKeys.hash} = spent.hash`
      // What nobody waits for any more is added again: it must not happen late as well.
      return writeStore(db, async (within) => void (await within.execute(update)), signal)
    },
    budgetOf: (keyHash, signal) =>
      askStore(async () => {
        const row = await read(keyHash)
        if (row === undefined || row.maxBudget === null) return undefined
        const { budgetDuration, budgetResetAt } = row
        if (budgetDuration !== null && budgetResetAt !== null && budgetResetAt.getTime() <= clock.now()) {
          await beginAnew(keyHash, budgetDuration, budgetResetAt)
          return { spent: (await read(keyHash))?.spend ?? 0, most: row.maxBudget }
        }
        return { spent: row.spend, most: row.maxBudget }
      }, signal),
  }
}

/** The next end after now, in whole periods from the last one. */
function nextReset(over: Date, text: string, nowMs: number): Date | null {
  const duration = parseDuration(text)
  if (duration === undefined) return null
  let next = over.getTime()
  // A key that nobody used for long: beyond this the periods begin with its next use.
  for (let periods = 0; periods < maxPeriods && next <= nowMs; periods += 1)
    next = addDuration(next, duration) ?? Infinity
  if (next <= nowMs) next = addDuration(nowMs, duration) ?? Infinity
  return Number.isFinite(next) ? new Date(next) : null
}

const maxPeriods = 10_000
