/**
 * A real Postgres through postgres.js. Refuses to open what does not answer: start-up should fail with one clear line,
 * not the first request with a puzzling one.
 */
import { type Clock, GatewayError, type Secret, startDeadline, systemClock } from '@toolgate/core'
import { parsePgArray } from 'drizzle-orm/pg-core'
import { drizzle } from 'drizzle-orm/postgres-js'
import postgres from 'postgres'
import type { Database } from './database.ts'
import { parseDatabaseUrl } from './database-url.ts'
import { pingStore } from './ping.ts'
import { databaseErrorCode } from './store-errors.ts'

const defaultConnections = 10
const connectTimeoutSeconds = 5
const closeTimeoutSeconds = 2
/** Longer than one attempt to connect takes, so that its better error wins. */
const openDeadlineMs = 6_000
/** Longest pause before the next attempt at a connection: an outage is noticed to be over within it. */
const longestBackoffSeconds = 1
/** A statement that runs longer is in trouble: everything here is short. Migrations lift it for themselves. */
const statementTimeoutMs = 15_000

/** `text[]` (`pg_type.oid` 1009). Drizzle writes it, and reads it on other drivers. */
const texts = {
  to: 1009,
  from: [1009],
  serialize: (text: string) => text,
  parse: (text: string) => parsePgArray(text),
}

/** Opens a Postgres. Rejects with `STORE_UNAVAILABLE` naming `host:port/name` and never the password. */
export async function openPostgres(url: Secret, clock: Clock = systemClock): Promise<Database> {
  const { connectionString, label, connectionLimit, schema } = parseDatabaseUrl(url)
  const client = postgres(connectionString, {
    max: connectionLimit ?? defaultConnections,
    connect_timeout: connectTimeoutSeconds,
    backoff: (attempts) => Math.min(longestBackoffSeconds, 0.05 * 2 ** attempts),
    // The driver's own look at the types is a query of which nobody hears that it failed; the only arrays here are of text.
    fetch_types: false,
    types: { texts },
    // NOTICE is chatter such as "schema exists, skipping"; the driver would print it.
    onnotice() {},
    connection: {
      application_name: 'toolgate',
      statement_timeout: statementTimeoutMs,
      ...(schema !== undefined && { search_path: schema }),
    },
  })
  const db = drizzle({ client })
  try {
    using deadline = startDeadline(clock, openDeadlineMs)
    await pingStore(db, deadline.signal)
  } catch (error) {
    await client.end({ timeout: 0 })
    throw cannotOpen(label, error)
  }
  return {
    kind: 'postgres',
    address: label,
    db,
    async listen(channel, { changed, resumed }) {
      const { unlisten } = await client.listen(channel, changed, resumed)
      return unlisten
    },
    ping: (signal) => pingStore(db, signal),
    close: () => client.end({ timeout: closeTimeoutSeconds }),
  }
}

function cannotOpen(label: string, cause: unknown): GatewayError {
  const code = databaseErrorCode(cause)
  return new GatewayError('STORE_UNAVAILABLE', `Cannot open the database at ${label}: ${reasonOf(code)}`, {
    cause,
    ...(code !== undefined && { internal: `database error ${code}` }),
  })
}

function reasonOf(code: string | undefined): string {
  switch (code) {
    case 'ECONNREFUSED':
      return 'nothing listens there. Is Postgres running, and is DATABASE_URL right?'
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'the host name cannot be resolved. Check DATABASE_URL.'
    case 'CONNECT_TIMEOUT':
    case 'ETIMEDOUT':
      return `no answer within ${connectTimeoutSeconds} s. Check address and firewall.`
    case '28P01':
    case '28000':
      return 'it refused user or password. Check DATABASE_URL.'
    case '3D000':
      return 'it has no database of that name. Create it first.'
    case undefined:
      return 'it does not answer as a Postgres does.'
    default:
      return `it answered with ${code}.`
  }
}
