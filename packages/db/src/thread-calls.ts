/**
 * Asks a thread and matches its answers to what was asked. Where the thread is gone everything rejects, what is under way
 * and what is still to come. It keeps the process alive while something is asked, and only then.
 */
import { Worker } from 'node:worker_threads'
import {
  type Answer,
  type ErrorFields,
  type Notification,
  type OpenOptions,
  openingId,
  type Request,
} from './pglite-messages.ts'

export interface ThreadCalls {
  /** Resolves once the thread has opened its database. */
  readonly opened: Promise<Answer>
  /** Rejects with the error of the thread, or with {@link threadEndedCode} as `code` where there is no thread. */
  ask(request: Request): Promise<Answer>
  /** Ends the thread whatever it does. */
  terminate(): Promise<void>
}

/** One of those that postgres.js has for a connection that is gone; `store-errors.ts` reads it. */
export const threadEndedCode = 'CONNECTION_CLOSED'

const entry = new URL('./pglite-thread.ts', import.meta.url)

/** What of a driver's error passed between the threads. */
class ThreadError extends Error {
  readonly code: string | undefined
  readonly constraint: string | undefined

  constructor({ message, code, constraint }: ErrorFields, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.constraint = constraint
  }
}

/** The cause of `STORE_UNAVAILABLE` where there is no thread to ask. */
export function databaseEnded(message: string, cause?: unknown): Error {
  return new ThreadError({ message, code: threadEndedCode }, { cause })
}

export function startThread(options: OpenOptions, notified: (notification: Notification) => void): ThreadCalls {
  // The flags of the process are not for it: one such as `--input-type` would keep it from starting.
  const worker = new Worker(entry, { workerData: options, name: 'database', execArgv: [] })
  const pending = new Map<number, PromiseWithResolvers<Answer>>()
  let lastId = openingId
  let ended: Error | undefined

  const expect = (id: number) => {
    const answer = Promise.withResolvers<Answer>()
    if (pending.size === 0) worker.ref()
    pending.set(id, answer)
    return answer.promise
  }

  const take = (id: number) => {
    const answer = pending.get(id)
    pending.delete(id)
    if (pending.size === 0) worker.unref()
    return answer
  }

  const settle = (answer: Answer) => {
    const waiting = take(answer.id)
    if (answer.error === undefined) waiting?.resolve(answer)
    else waiting?.reject(new ThreadError(answer.error))
  }

  const end = (cause?: unknown) => {
    ended ??= databaseEnded('The thread of the embedded database ended.', cause)
    for (const id of pending.keys()) take(id)?.reject(ended)
  }

  worker.on('message', (message: Answer | Notification) => {
    if ('listener' in message) notified(message)
    else settle(message)
  })
  worker.once('error', end)
  worker.once('messageerror', end)
  worker.once('exit', () => end())

  return {
    opened: expect(openingId),
    async ask(request) {
      if (ended !== undefined) throw ended
      lastId += 1
      const id = lastId
      const answer = expect(id)
      try {
        worker.postMessage({ ...request, id }, [])
      } catch (error) {
        // A parameter that cannot pass: the caller's own error.
        take(id)?.reject(error)
      }
      return await answer
    },
    async terminate() {
      // Until it is gone the process has to wait.
      worker.ref()
      await worker.terminate()
    },
  }
}
