/**
 * The thread of the embedded database: owns PGlite and does what the messages of `pglite-client.ts` say. Order and
 * exclusion are PGlite's: its calls queue in the order in which messages arrive, a transaction holds the queue until it ends.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { PGlite, type Transaction, types } from '@electric-sql/pglite'
import {
  type Answer,
  type ErrorFields,
  type Notification,
  type NumberedRequest,
  type OpenOptions,
  openingId,
  type Statement,
} from './pglite-messages.ts'

/** Halves the memory of the process; the working set of a gateway is a few thousand rows. */
const smallMemory = ['shared_buffers=4MB', 'max_connections=5']

const numericArray = 1231
const timeArrays = [1115, 1182, 1185, 1187]
const asText = (value: string) => value
/** What drizzle's codecs expect as text; the same list as in its own session for PGlite. */
const parsers = Object.fromEntries(
  [types.TIMESTAMP, types.TIMESTAMPTZ, types.INTERVAL, types.DATE, numericArray, ...timeArrays].map((type) => [
    type,
    asText,
  ]),
)

interface OpenTransaction {
  readonly runner: Transaction
  end(commit: boolean): Promise<void>
}

type Outcome = Omit<Answer, 'id' | 'error'>

/** `store-errors.ts` knows the beginning of the message: it is PGlite's own. */
const takenBack = new Error('PGlite is closing: the transaction was taken back.')

function createTransactions(database: PGlite) {
  const running = new Map<number, OpenTransaction>()
  let closing = false

  return {
    get(id: number): OpenTransaction {
      const transaction = running.get(id)
      if (transaction === undefined) throw closing ? takenBack : new Error('The transaction is over.')
      return transaction
    },
    /** Resolves once it is the transaction's turn. */
    begin(id: number): Promise<void> {
      const begun = Promise.withResolvers<void>()
      const ended = Promise.withResolvers<void>()
      const over = database.transaction(async (runner) => {
        if (closing) throw takenBack
        running.set(id, { runner, end })
        begun.resolve()
        await ended.promise
      })
      const end = async (commit: boolean) => {
        running.delete(id)
        if (commit) ended.resolve()
        else ended.reject(takenBack)
        await over.catch((error: unknown) => {
          if (error !== takenBack) throw error
        })
      }
      over.catch(begun.reject)
      return begun.promise
    },
    /** Takes back what runs and whatever would follow; nobody is there any more to end it. */
    async close() {
      closing = true
      await Promise.allSettled([...running.values()].map((transaction) => transaction.end(false)))
    },
  }
}

type Post = (message: Answer | Notification) => void

function serve(database: PGlite, post: Post): (request: NumberedRequest) => Promise<Outcome> {
  const transactions = createTransactions(database)
  const listeners = new Map<number, () => Promise<void>>()

  const query = async ({ sql, params, rowMode, input }: Statement, transaction?: number): Promise<Outcome> => {
    const runner = transaction === undefined ? database : transactions.get(transaction).runner
    const { rows, affectedRows } = await runner.query(sql, [...params], {
      rowMode,
      parsers,
      ...(input !== undefined && { blob: new Blob([input]) }),
    })
    return { rows, ...(affectedRows !== undefined && { affectedRows }) }
  }

  return async (request) => {
    switch (request.kind) {
      case 'query':
        return query(request.statement, request.transaction)
      case 'begin':
        await transactions.begin(request.id)
        break
      case 'end':
        await transactions.get(request.transaction).end(request.commit)
        break
      case 'listen': {
        const notify = (payload: string) => post({ listener: request.id, payload })
        listeners.set(request.id, await database.listen(request.channel, notify))
        break
      }
      case 'unlisten':
        await listeners.get(request.listener)?.()
        listeners.delete(request.listener)
        break
      case 'snapshot':
        return { snapshot: new Uint8Array(await (await database.dumpDataDir('none')).arrayBuffer()) }
      case 'close':
        await transactions.close()
        await database.close()
    }
    return {}
  }
}

async function open({ folder, snapshot }: OpenOptions): Promise<PGlite> {
  return PGlite.create({
    postgresqlconf: smallMemory,
    ...(folder !== undefined && { dataDir: folder }),
    ...(snapshot !== undefined && { loadDataDir: new Blob([new Uint8Array(snapshot)]) }),
  })
}

function fieldsOf(error: unknown): ErrorFields {
  const text = (field: string) => {
    const value: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, field) : undefined
    return typeof value === 'string' ? value : undefined
  }
  const code = text('code')
  const constraint = text('constraint')
  return {
    message: text('message') ?? 'The embedded database failed without a message.',
    ...(code !== undefined && { code }),
    ...(constraint !== undefined && { constraint }),
  }
}

async function run(port: NonNullable<typeof parentPort>, options: OpenOptions): Promise<void> {
  const post: Post = (message) =>
    port.postMessage(message, 'snapshot' in message && message.snapshot !== undefined ? [message.snapshot.buffer] : [])
  const answer = async (id: number, work: () => Promise<Outcome>) => {
    try {
      post({ id, ...(await work()) })
    } catch (error) {
      post({ id, error: fieldsOf(error) })
    }
  }
  await answer(openingId, async () => {
    const perform = serve(await open(options), post)
    port.on('message', (request: NumberedRequest) => void answer(request.id, () => perform(request)))
    return {}
  })
}

if (parentPort === null) throw new Error('This file is the entry of a thread.')
await run(parentPort, workerData)
