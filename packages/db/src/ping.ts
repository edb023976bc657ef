import { sql } from 'drizzle-orm'
import type { Queries } from './database.ts'
import { askStore } from './store-errors.ts'

/** One round trip. The query itself cannot be taken back; a caller that gives up is released at once all the same. */
export async function pingStore(db: Queries, signal: AbortSignal): Promise<void> {
  await askStore(() => db.execute(sql`select 1`), signal)
}
