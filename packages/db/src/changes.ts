/**
 * The change feed: a write announces itself within its own transaction and every process hears it on commit. Delivery
 * is best effort: what is announced while a listener is disconnected is lost, and a connection that died silently looks
 * like a quiet one. Consumers therefore also poll; the feed makes them fast, the poll makes them right.
 */
import { sql } from 'drizzle-orm'
import type { Queries } from './database.ts'

export interface ChangeListener {
  /** Called on commit of the announcing transaction. Must not throw. */
  changed(payload: string): void
  /** Called whenever the feed (re)connects: something may have been missed. Must not throw. */
  resumed?(): void
}

export type StopListening = () => Promise<void>

export interface Change {
  readonly channel: string
  /** What changed, by its id. Postgres refuses more than 8,000 bytes. */
  readonly payload: string
}

/** Announces a change; give it the transaction that makes the change, so that nobody hears of it before it holds. */
export async function publish(transaction: Queries, { channel, payload }: Change): Promise<void> {
  await transaction.execute(sql`select pg_notify(${channel}, ${payload})`)
}
