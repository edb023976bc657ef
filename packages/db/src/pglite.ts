/**
 * Postgres within the process, for the zero-configuration start and for tests. One connection, and a query blocks the
 * event loop while it runs: keep queries short. It never calls fsync, so a power cut may lose what was acknowledged;
 * start-up says so. One process per folder, see `data-folder-lock.ts`.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import { GatewayError } from '@toolgate/core'
import { drizzle } from 'drizzle-orm/pglite'
import type { Database } from './database.ts'
import { type FolderLock, lockDataFolder } from './data-folder-lock.ts'
import { pingStore } from './ping.ts'
import { databaseErrorCode } from './store-errors.ts'

export interface EmbeddedDatabase extends Database {
  readonly kind: 'pglite'
  /** The whole database as an uncompressed tar archive, for {@link openPgliteInMemory}. */
  snapshot(): Promise<Blob>
}

/** Halves the memory of the process; the working set of a gateway is a few thousand rows. */
const smallMemory = ['shared_buffers=4MB', 'max_connections=5']

/** Opens or makes the database of a data folder. Rejects with `STORE_UNAVAILABLE` where another process has it. */
export async function openPgliteFolder(dataDir: string): Promise<EmbeddedDatabase> {
  const lock = await lockedFolder(dataDir)
  try {
    const client = await PGlite.create({ dataDir: join(dataDir, 'postgres'), postgresqlconf: smallMemory })
    return asDatabase(client, { address: dataDir, lock })
  } catch (error) {
    await lock.release()
    throw cannotOpen(dataDir, error)
  }
}

async function lockedFolder(dataDir: string): Promise<FolderLock> {
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 })
    return await lockDataFolder(dataDir)
  } catch (error) {
    throw cannotOpen(dataDir, error)
  }
}

function cannotOpen(dataDir: string, cause: unknown): GatewayError {
  if (cause instanceof GatewayError) return cause
  const code = databaseErrorCode(cause)
  const reason = code === undefined ? 'its files cannot be read as a database' : `the system says ${code}`
  return new GatewayError('STORE_UNAVAILABLE', `Cannot open the database folder ${dataDir}: ${reason}.`, { cause })
}

/** A database that is gone when it is closed; `snapshot` spares the seconds that making a new one takes. */
export async function openPgliteInMemory(snapshot?: Blob): Promise<EmbeddedDatabase> {
  const client = await PGlite.create({
    postgresqlconf: smallMemory,
    ...(snapshot !== undefined && { loadDataDir: snapshot }),
  })
  return asDatabase(client, { address: 'memory' })
}

function asDatabase(client: PGlite, { address, lock }: { address: string; lock?: FolderLock }): EmbeddedDatabase {
  const db = drizzle({ client })
  return {
    kind: 'pglite',
    address,
    db,
    async listen(channel, { changed, resumed }) {
      const unlisten = await client.listen(channel, changed)
      resumed?.()
      return () => unlisten()
    },
    ping: (signal) => pingStore(db, signal),
    snapshot: () => client.dumpDataDir('none'),
    async close() {
      await client.close()
      await lock?.release()
    },
  }
}
