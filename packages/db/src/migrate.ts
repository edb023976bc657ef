/**
 * Brings a database to the current schema. Everything happens in one transaction under an advisory lock: replicas that
 * start together take turns, and a migration that fails leaves nothing behind.
 */
import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import { migrate as applyMigrations } from 'drizzle-orm/pg-core'
import { startDeadline, systemClock } from '@toolgate/core'
import type { Database } from './database.ts'
import { lockNumbers } from './lock-numbers.ts'
import { askStore } from './store-errors.ts'

/** Migrations may rewrite large tables; this only keeps start-up from hanging for ever. */
const deadlineMs = 30 * 60_000

/** The folder of the repository; a bundle says where its copy is. */
const defaultMigrationsFolder = join(import.meta.dirname, '..', '..', '..', 'migrations')

/** Rejects with `STORE_UNAVAILABLE` where another process migrates for more than a minute. */
export async function migrate({ db }: Database, migrationsFolder: string = defaultMigrationsFolder): Promise<void> {
  const migrations = readMigrationFiles({ migrationsFolder })
  const apply = () =>
    db.transaction(async (transaction) => {
      await transaction.execute(sql`set local statement_timeout = 0`)
      await transaction.execute(sql`set local lock_timeout = '60s'`)
      await transaction.execute(sql`select pg_advisory_xact_lock(${lockNumbers.migrations})`)
      await applyMigrations(migrations, transaction, { migrationsFolder })
    })
  using deadline = startDeadline(systemClock, deadlineMs)
  await askStore(apply, deadline.signal)
}
