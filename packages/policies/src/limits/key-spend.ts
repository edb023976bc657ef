import { type Cancel, type Clock, GatewayError, type Logger, startDeadline } from '@toolgate/core'

/** What keys have spent, kept in the store. */
export interface SpendStore {
  /** Adds to what each key has spent, by hash; keys that are gone are passed over. Where it rejects, nothing is added later. */
  add(spent: ReadonlyMap<string, number>, signal: AbortSignal): Promise<void>
  /** Undefined where the key has no budget. A budget whose time is over begins anew. */
  budgetOf(keyHash: string, signal: AbortSignal): Promise<Budget | undefined>
}

/** In dollars. */
export interface Budget {
  readonly spent: number
  readonly most: number
}

/**
 * Counts what keys spend and holds their budgets. What was spent is written in portions, so that no call waits for it; a budget
 * is read from the store before each call of its key, and what this process has not written yet is added. Closed: without the
 * store no call of a key with a budget goes on. Calls under way at the same time are not known to one another.
 */
export interface KeySpend {
  /** Never throws and never waits. What is no sum counts nothing. */
  add(keyHash: string, dollars: number): void
  /** Rejects with `BUDGET_EXCEEDED` or `STORE_UNAVAILABLE`. */
  requireBudget(keyHash: string, signal: AbortSignal): Promise<void>
  /** Writes what is left. Never rejects. */
  close(): Promise<void>
}

export interface KeySpendOptions {
  readonly store: SpendStore
  readonly clock: Clock
  readonly log: Logger
}

const writeEveryMs = 1_000
const lookUpMs = 5_000
const writeMs = 10_000

export function createKeySpend({ store, clock, log }: KeySpendOptions): KeySpend {
  let waiting = new Map<string, number>()
  let writing = new Map<string, number>()
  let timer: Cancel | undefined
  let draining: Promise<void> = Promise.resolve()

  const write = async () => {
    timer = undefined
    if (waiting.size === 0) return
    writing = waiting
    waiting = new Map()
    try {
      using deadline = startDeadline(clock, writeMs)
      await store.add(writing, deadline.signal)
    } catch (error) {
      // It is written with what comes next; budgets count it meanwhile.
      log.error({ err: error, keys: writing.size }, 'what keys have spent cannot be written')
      for (const [keyHash, dollars] of writing) waiting.set(keyHash, (waiting.get(keyHash) ?? 0) + dollars)
      plan()
    } finally {
      writing = new Map()
    }
  }
  const plan = () => {
    timer ??= clock.after(writeEveryMs, () => {
      draining = draining.then(write)
    })
  }
  const stop = () => {
    timer?.()
    timer = undefined
  }
  const unwritten = (keyHash: string) => (waiting.get(keyHash) ?? 0) + (writing.get(keyHash) ?? 0)

  return {
    add(keyHash, dollars) {
      // One sum that no column holds would keep the sums of all keys from being written.
      if (!(dollars > 0) || !Number.isFinite(dollars)) return
      waiting.set(keyHash, (waiting.get(keyHash) ?? 0) + dollars)
      plan()
    },
    async requireBudget(keyHash, signal) {
      const unknown = unwritten(keyHash)
      using deadline = startDeadline(clock, lookUpMs, signal)
      const budget = await store.budgetOf(keyHash, deadline.signal)
      if (budget === undefined) return
      const spent = budget.spent + unknown
      if (spent < budget.most) return
      throw new GatewayError(
        'BUDGET_EXCEEDED',
        `Budget has been exceeded! Current cost: ${spent}, Max budget: ${budget.most}`,
        { details: { spent, budget: budget.most } },
      )
    },
    async close() {
      stop()
      draining = draining.then(write)
      await draining
      // A last failure has planned another write that nobody waits for.
      stop()
    },
  }
}
