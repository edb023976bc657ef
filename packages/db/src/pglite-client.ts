/** The embedded database as the thread of the requests sees it: every call is a message to a thread of its own. */
import { type Clock, startDeadline, untilAborted } from '@toolgate/core'
import type { StopListening } from './changes.ts'
import type { OpenOptions, Request } from './pglite-messages.ts'
import type { QueryRunner, TransactionRunner } from './pglite-session.ts'
import { databaseErrorCode, storeUnavailable } from './store-errors.ts'
import { databaseEnded, startThread, type ThreadCalls, threadEndedCode } from './thread-calls.ts'

export interface EmbeddedClient extends TransactionRunner {
  listen(channel: string, changed: (payload: string) => void): Promise<StopListening>
  snapshot(): Promise<Uint8Array<ArrayBuffer>>
  /** Queries under way finish, transactions for a while; then the thread ends. Never rejects. */
  close(): Promise<void>
}

/** For transactions that are under way when the database is closed; afterwards they are taken back. */
const transactionGraceMs = 2_000
/** For the thread to finish what was asked before. What it does then is ended as by a kill, which Postgres survives. */
const closeTimeoutMs = 5_000

/** Rejects with the error of PGlite where it cannot be opened; no thread is left then. */
export async function startEmbedded(options: OpenOptions, clock: Clock): Promise<EmbeddedClient> {
  const listeners = new Map<number, (payload: string) => void>()
  const thread = startThread(options, ({ listener, payload }) => listeners.get(listener)?.(payload))
  try {
    await thread.opened
  } catch (error) {
    await thread.terminate()
    throw error
  }
  return createClient({ thread, listeners, clock })
}

interface Parts {
  readonly thread: ThreadCalls
  readonly listeners: Map<number, (payload: string) => void>
  readonly clock: Clock
}

function createClient({ thread, listeners, clock }: Parts): EmbeddedClient {
  const transactions = new Set<Promise<unknown>>()
  let closing: Promise<void> | undefined

  const ask = async (request: Request) => {
    try {
      return await thread.ask(request)
    } catch (error) {
      throw databaseErrorCode(error) === threadEndedCode ? storeUnavailable(error) : error
    }
  }

  /** What is not part of a transaction that has begun; refused from the moment of closing. */
  const askOpen = async (request: Request) => {
    if (closing !== undefined) throw storeUnavailable(databaseEnded('The embedded database is closed.'))
    return await ask(request)
  }

  const runTransaction = async <Result>(work: (runner: QueryRunner) => Promise<Result>): Promise<Result> => {
    const { id: transaction } = await askOpen({ kind: 'begin' })
    let result: Result
    try {
      result = await work({
        query: async (statement) => resultOf(await ask({ kind: 'query', statement, transaction })),
      })
    } catch (error) {
      // The first error says why. A rollback fails only with the thread, which took the transaction with it.
      await ask({ kind: 'end', transaction, commit: false }).catch(() => undefined)
      throw error
    }
    await ask({ kind: 'end', transaction, commit: true })
    return result
  }

  const close = async () => {
    await within(clock, transactionGraceMs, () => Promise.allSettled(transactions))
    await within(clock, closeTimeoutMs, () => thread.ask({ kind: 'close' }))
    await thread.terminate()
  }

  return {
    query: async (statement) => resultOf(await askOpen({ kind: 'query', statement })),
    async transaction(work) {
      const running = runTransaction(work)
      transactions.add(running)
      try {
        return await running
      } finally {
        transactions.delete(running)
      }
    },
    async listen(channel, changed) {
      const { id: listener } = await askOpen({ kind: 'listen', channel })
      listeners.set(listener, changed)
      return async () => {
        listeners.delete(listener)
        await askOpen({ kind: 'unlisten', listener })
      }
    },
    async snapshot() {
      const { snapshot } = await askOpen({ kind: 'snapshot' })
      if (snapshot === undefined) throw new Error('The thread of the embedded database sent no snapshot.')
      return snapshot
    },
    close: () => (closing ??= close()),
  }
}

function resultOf({ rows = [], affectedRows }: { rows?: readonly unknown[]; affectedRows?: number }) {
  return { rows, affectedRows }
}

/** Waits for `work` as long as allowed. How it ended does not matter to who closes. */
async function within(clock: Clock, ms: number, work: () => Promise<unknown>): Promise<void> {
  using deadline = startDeadline(clock, ms)
  try {
    await untilAborted(deadline.signal, work)
  } catch {
    // Too late, or the thread is gone: either way it is ended next.
  }
}
