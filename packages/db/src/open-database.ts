import type { Secret } from '@toolgate/core'
import type { Database } from './database.ts'

/** `DATABASE_URL`, or the folder of the embedded database, or an embedded one that is gone when it is closed. */
export type DatabaseOptions = { readonly url: Secret } | { readonly dataDir: string } | { readonly memory: true }

/**
 * Opens a database and makes sure that it answers; it may still lack the schema, see `migrate`. The driver that is not
 * needed is not loaded. Rejects with `STORE_UNAVAILABLE`: one line that says where and why, without a password.
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  if ('url' in options) {
    const { openPostgres } = await import('./postgres.ts')
    return openPostgres(options.url)
  }
  const { openPgliteFolder, openPgliteInMemory } = await import('./pglite.ts')
  return 'dataDir' in options ? openPgliteFolder(options.dataDir) : openPgliteInMemory()
}
