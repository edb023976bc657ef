/**
 * Tells a database that cannot be asked from one that said no. Driver errors hold the statement and parts of the data;
 * they become `cause` and never a message.
 */
import { GatewayError, isJsonObject, startDeadline, systemClock, untilAborted } from '@toolgate/core'
import type { Queries } from './database.ts'

/**
 * SQLSTATE classes and codes (Postgres manual, appendix A) under which another try, later, may succeed; among them what
 * refuses a connection: a password that was changed (28), a database that is gone (3D000) or lets nobody in (55000).
 */
const unavailableStates = /^(?:08|28|3D000|53|55000|57P0[123]|57014|25006|40001|40P01|55P03)/

/** The embedded database gives no code for it. */
const embeddedIsClosed = /^PGlite is clos/

/** Codes of the socket and of postgres.js. */
const unavailableCodes = new Set([
  'CONNECTION_CLOSED',
  'CONNECTION_DESTROYED',
  'CONNECTION_ENDED',
  'CONNECT_TIMEOUT',
  'EAI_AGAIN',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EPIPE',
  'ETIMEDOUT',
])

/** How deep an error may be wrapped: drizzle wraps once, an AggregateError of `connect` once more. */
const maximumDepth = 4

/** The first `code` of the driver or the socket along the chain of causes; not the ones of our own errors. */
export function databaseErrorCode(error: unknown): string | undefined {
  return firstAlongCauses(error, 'code')
}

/** The constraint a write violated by a duplicate (SQLSTATE 23505), else undefined. */
export function uniqueViolation(error: unknown): string | undefined {
  if (databaseErrorCode(error) !== '23505') return undefined
  // postgres.js and PGlite name the field differently.
  return firstAlongCauses(error, 'constraint_name') ?? firstAlongCauses(error, 'constraint')
}

/** Above the database's own limit for a statement, which gives the better error. */
const defaultDeadlineMs = 20_000

/**
 * Runs `work`; a database that could not be asked, or does not answer within the deadline, is `STORE_UNAVAILABLE`, a text that
 * it cannot keep is `INVALID_REQUEST`, everything else rejects as it came, and so does a `GatewayError` that the deadline aborts with: a caller that left. The
 * deadline is ours because the driver has none: while connections are accepted and then dropped, as load balancers do
 * before a database that is down, it goes on trying for ever. A write given up this way may still happen; one of
 * {@link writeStore} only where the deadline fell into its commit.
 */
export async function askStore<Answer>(
  work: (deadline: AbortSignal) => Promise<Answer>,
  deadline?: AbortSignal,
): Promise<Answer> {
  if (deadline !== undefined) return askWithin(deadline, work)
  using own = startDeadline(systemClock, defaultDeadlineMs)
  return await askWithin(own.signal, work)
}

/** Runs `work` as one transaction, which is rolled back where nobody waits for it any more. Rejects as {@link askStore}. */
export function writeStore<Answer>(
  db: Queries,
  work: (within: Queries) => Promise<Answer>,
  deadline?: AbortSignal,
): Promise<Answer> {
  return askStore(
    (signal) =>
      db.transaction(async (within) => {
        // A connection may have come about long after the deadline.
        signal.throwIfAborted()
        const answer = await work(within)
        signal.throwIfAborted()
        return answer
      }),
    deadline,
  )
}

async function askWithin<Answer>(
  deadline: AbortSignal,
  work: (deadline: AbortSignal) => Promise<Answer>,
): Promise<Answer> {
  try {
    return await untilAborted(deadline, () => work(deadline))
  } catch (error) {
    const late = deadline.aborted && error === deadline.reason
    if (late && !(error instanceof GatewayError)) throw notAnswered(error)
    if (isUnavailable(error)) throw storeUnavailable(error)
    throw unkeepableTexts.has(databaseErrorCode(error) ?? '') ? unkeepable(error) : error
  }
}

/** A text with U+0000, alone and inside JSON. Only what somebody sent can hold it. */
const unkeepableTexts = new Set(['22021', '22P05'])

function unkeepable(cause: unknown): GatewayError {
  return new GatewayError('INVALID_REQUEST', 'The request holds U+0000, which no text can.', { cause })
}

/** What was asked may have been done, or be done yet. */
function notAnswered(cause: unknown): GatewayError {
  const message =
    'The database of the gateway did not answer in time. Of a change it is not known whether it was made: look before trying again.'
  return new GatewayError('STORE_UNAVAILABLE', message, { cause })
}

/** The error of a store that could not be asked. Never a 401 at any door: a client must not throw its key away. */
export function storeUnavailable(cause: unknown): GatewayError {
  if (cause instanceof GatewayError && cause.code === 'STORE_UNAVAILABLE') return cause
  const code = databaseErrorCode(cause)
  return new GatewayError('STORE_UNAVAILABLE', 'The database of the gateway cannot be reached. Try again shortly.', {
    cause,
    ...(code !== undefined && { internal: `database error ${code}` }),
  })
}

function isUnavailable(error: unknown): boolean {
  const code = databaseErrorCode(error)
  if (code !== undefined) return unavailableCodes.has(code) || unavailableStates.test(code)
  return firstAlongCauses(error, 'message', (message) => embeddedIsClosed.test(message)) !== undefined
}

function firstAlongCauses(
  error: unknown,
  field: string,
  fits: (value: string) => boolean = () => true,
): string | undefined {
  let current = error
  for (let depth = 0; depth < maximumDepth && isJsonObject(current); depth += 1) {
    const value = current instanceof GatewayError ? undefined : Reflect.get(current, field)
    if (typeof value === 'string' && fits(value)) return value
    const nested: unknown = current instanceof AggregateError ? current.errors[0] : Reflect.get(current, 'cause')
    current = nested
  }
  return undefined
}
