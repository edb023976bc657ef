/**
 * Postgres within the process, for the zero-configuration start and for tests. It runs on a thread of its own, so that a
 * query costs the requests no more than a message. One connection: queries wait for each other, keep them short. It never
 * calls fsync, so a power cut may lose what was acknowledged; start-up says so. One process per folder, see
 * `data-folder-lock.ts`.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { GatewayError, systemClock } from '@toolgate/core'
import { createCopy } from './copy-rows.ts'
import type { Database } from './database.ts'
import { type FolderLock, lockDataFolder } from './data-folder-lock.ts'
import { type EmbeddedClient, startEmbedded } from './pglite-client.ts'
import { createQueries } from './pglite-session.ts'
import { pingStore } from './ping.ts'
import { databaseErrorCode } from './store-errors.ts'
import { threadEndedCode } from './thread-calls.ts'

export interface EmbeddedDatabase extends Database {
  readonly kind: 'pglite'
  /** The whole database as an uncompressed tar archive, for {@link openPgliteInMemory}. */
  snapshot(): Promise<Uint8Array<ArrayBuffer>>
}

/** Opens or makes the database of a data folder. Rejects with `STORE_UNAVAILABLE` where another process has it. */
export async function openPgliteFolder(dataDir: string): Promise<EmbeddedDatabase> {
  const lock = await lockedFolder(dataDir)
  try {
    const client = await startEmbedded({ folder: join(dataDir, 'postgres') }, systemClock)
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
  const reason = reasonOf(databaseErrorCode(cause))
  return new GatewayError('STORE_UNAVAILABLE', `Cannot open the database folder ${dataDir}: ${reason}.`, { cause })
}

function reasonOf(code: string | undefined): string {
  if (code === undefined) return 'its files cannot be read as a database'
  return code === threadEndedCode ? 'its thread ended before it was open' : `the system says ${code}`
}

/** A database that is gone when it is closed; `snapshot` spares the seconds that making a new one takes. */
export async function openPgliteInMemory(snapshot?: Uint8Array): Promise<EmbeddedDatabase> {
  const client = await startEmbedded(snapshot === undefined ? {} : { snapshot }, systemClock)
  return asDatabase(client, { address: 'memory' })
}

function asDatabase(
  client: EmbeddedClient,
  { address, lock }: { address: string; lock?: FolderLock },
): EmbeddedDatabase {
  const db = createQueries(client)
  return {
    kind: 'pglite',
    address,
    db,
    async copyIn(table, rows) {
      const { sql, write } = createCopy(table)
      await client.query({ sql, params: [], rowMode: 'array', input: write(rows) })
    },
    async listen(channel, { changed, resumed }) {
      const unlisten = await client.listen(channel, changed)
      resumed?.()
      return unlisten
    },
    ping: (signal) => pingStore(db, signal),
    snapshot: () => client.snapshot(),
    async close() {
      await client.close()
      await lock?.release()
    },
  }
}
