import type { PgAsyncDatabase, PgQueryResultHKT, PgTable } from 'drizzle-orm/pg-core'
import type { ChangeListener, StopListening } from './changes.ts'
import type { CopyRow } from './copy-rows.ts'

/**
 * What query code is written against: either driver, or a transaction on it. The two differ in what `execute` and a
 * plain `update` return, so query code uses the builders and `.returning()`.
 */
export type Queries = PgAsyncDatabase<PgQueryResultHKT>

/** One open database, embedded or remote. */
export interface Database {
  readonly kind: 'pglite' | 'postgres'
  /** Where it is, for logs and errors: a folder or `host:port/name`, never a password. */
  readonly address: string
  /**
   * PGlite has one connection: inside a transaction use the transaction only, a query on `db` would wait for it for ever.
   */
  readonly db: Queries
  /**
   * Adds rows all at once, or none: at a duplicate it rejects. Only where that is cheaper than an insert, else absent.
   */
  readonly copyIn?: (table: PgTable, rows: readonly CopyRow[]) => Promise<void>
  /**
   * Hears the notifications of a channel until stopped, across reconnects. Rejects where the first attempt fails; the
   * listener is then not called.
   */
  listen(channel: string, listener: ChangeListener): Promise<StopListening>
  /** One round trip. Rejects with `STORE_UNAVAILABLE`, also where the signal comes first. */
  ping(signal: AbortSignal): Promise<void>
  /** Ends every connection; queries in flight get a few seconds. */
  close(): Promise<void>
}
