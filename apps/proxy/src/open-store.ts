import { join } from 'node:path'
import { GatewayError } from '@toolgate/core'
import { type Database, databaseErrorCode, migrate, openDatabase } from '@toolgate/db'
import type { LoadedConfig } from './config/load.ts'

/**
 * Opens and migrates the store of a configuration, then does what else has to be done before it is used. Where that fails it
 * is closed again. Rejects with a `GatewayError` that says in one line what stands in the way.
 */
export async function openStore<Prepared>(
  { config }: LoadedConfig,
  dataDirectory: string,
  prepare: (database: Database) => Promise<Prepared>,
): Promise<{ readonly database: Database; readonly prepared: Prepared }> {
  const database = await openDatabase(
    config.databaseUrl === undefined ? { dataDir: join(dataDirectory, 'database') } : { url: config.databaseUrl },
  )
  try {
    await migrate(database)
    return { database, prepared: await prepare(database) }
  } catch (error) {
    await database.close()
    throw cannotPrepare(database, error)
  }
}

function cannotPrepare({ address }: Database, cause: unknown): unknown {
  const code = databaseErrorCode(cause)
  if (cause instanceof GatewayError || code === undefined) return cause
  const reason = code === '42501' ? 'its user may not create tables there' : `it answered with ${code}`
  return new GatewayError('STORE_UNAVAILABLE', `Cannot prepare the database at ${address}: ${reason}.`, { cause })
}
