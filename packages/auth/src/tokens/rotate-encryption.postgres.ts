/**
 * Seals everything that is stored anew, with the first of the keys, while gateways go on: they hold the former keys as well
 * and are told which one seals. What was changed meanwhile is left as it is, and looked at again with the next pass; what is
 * done stays done, so that it may be ended and run again at any time, and twice at once.
 */
import { type Clock, GatewayError, type NewId, sleep } from '@toolgate/core'
import {
  askStore,
  type Database,
  type Queries,
  recordChange,
  type SealedColumn,
  sealedColumns,
  type SealedValue,
  sealingKeys,
  writeStore,
} from '@toolgate/db'
import { eq, ne, sql } from 'drizzle-orm'
import { sealingKeyChannel, sealingKeyType } from './follow-sealing-key.postgres.ts'
import { type Sealer, sealingKeyIdOf } from './sealing.ts'
import { listKey, lockedKeys, openAll } from './sealing-check.postgres.ts'

export interface RotateEncryptionOptions {
  readonly database: Pick<Database, 'db'>
  readonly sealer: Sealer
  readonly clock: Clock
  readonly newId: NewId
  /** Values that are read at once. */
  readonly batchSize?: number
  /** Milliseconds after which every gateway that runs has heard of the new key. */
  readonly heardAfterMs?: number
  readonly signal: AbortSignal
}

/** What became of the values of one column. */
export interface RotatedColumn {
  readonly table: string
  readonly column: string
  /** Sealed with the new key by this run. */
  readonly rotated: number
  /** They were sealed with the new key already when this run ended, those above among them. */
  readonly current: number
  /** Sealed with a key that is not configured, or changed in every pass. */
  readonly left: number
  /** No key opens them any more. */
  readonly damaged: number
  /** Of rows with such values, the first {@link mostExamples}. */
  readonly examples: readonly string[]
}

const mostExamples = 20

const defaultBatchSize = 100
/** Changes are heard within two seconds. */
const defaultHeardAfterMs = 3_000
/** Passes over everything; the second finds what was written while the first ran. */
const mostPasses = 5

/** Rejects with `CONFIGURATION_INVALID` where a key is missing, with `STORE_UNAVAILABLE`, or with the signal's reason. */
export async function rotateEncryption(options: RotateEncryptionOptions): Promise<readonly RotatedColumn[]> {
  const { clock, heardAfterMs = defaultHeardAfterMs, signal } = options
  const announcedMs = await announceKey(options)
  let columns = await rotateColumns(options)
  // What a gateway sealed before it heard. Another run may have announced the key and have been ended.
  if (announcedMs < heardAfterMs) await sleep(clock, heardAfterMs - announcedMs, signal)
  signal.throwIfAborted()
  for (let pass = 1; pass < mostPasses; pass += 1) {
    const again = await rotateColumns(options)
    columns = again.map((column, index) => ({ ...column, rotated: column.rotated + (columns[index]?.rotated ?? 0) }))
    if (again.every(({ rotated, left }) => rotated === 0 && left === 0)) break
  }
  if (columns.every(({ left }) => left === 0)) await forgetFormerKeys(options)
  return columns
}

/** Milliseconds for which it has been the one to seal with, by the clock of the store. */
async function announceKey({ database, sealer, newId }: RotateEncryptionOptions): Promise<number> {
  const { wantedKeyId } = sealer
  return writeStore(database.db, async (within) => {
    const listed = await lockedKeys(within)
    await openAll(listed, sealer)
    if (listed[0]?.keyId === wantedKeyId) {
      sealer.sealWith(wantedKeyId)
      return ageOf(within, wantedKeyId)
    }
    const { createdAt } = await listKey(within, sealer, wantedKeyId)
    await recordChange(within, {
      objectType: sealingKeyType,
      objectId: wantedKeyId,
      channel: sealingKeyChannel,
      at: createdAt,
      actor: 'command line',
      action: 'sealing_key.rotate',
      newId,
      details: {},
    })
    return 0
  })
}

async function ageOf(within: Queries, keyId: string): Promise<number> {
  const ageMs = sql<number>`extract(epoch from clock_timestamp() - ${sealingKeys.createdAt}) * 1000`.mapWith(Number)
  const [row] = await within.select({ ageMs }).from(sealingKeys).where(eq(sealingKeys.keyId, keyId))
  return row?.ageMs ?? 0
}

/** Nothing is sealed with them: a start needs them no more. Not where another run has made one of them the one to seal with. */
async function forgetFormerKeys({ database, sealer: { wantedKeyId } }: RotateEncryptionOptions): Promise<void> {
  await writeStore(database.db, async (within) => {
    const [current] = await lockedKeys(within)
    if (current?.keyId !== wantedKeyId) return
    await within.delete(sealingKeys).where(ne(sealingKeys.keyId, wantedKeyId))
  })
}

async function rotateColumns(options: RotateEncryptionOptions): Promise<readonly RotatedColumn[]> {
  const columns: RotatedColumn[] = []
  for (const column of sealedColumns) columns.push(await rotateColumn(column, options))
  return columns
}

async function rotateColumn(column: SealedColumn, options: RotateEncryptionOptions): Promise<RotatedColumn> {
  const { database, batchSize = defaultBatchSize, signal } = options
  const counts = { rotated: 0, current: 0, left: 0, damaged: 0 }
  const examples: string[] = []
  let after = ''
  for (;;) {
    signal.throwIfAborted()
    const from = after
    const batch = await askStore(() => column.read(database.db, from, batchSize))
    for (const value of batch) {
      const outcome = await rotateValue(column, value, options)
      counts[outcome] += 1
      const isOpen = outcome === 'left' || outcome === 'damaged'
      if (isOpen && examples.length < mostExamples) examples.push(value.id)
    }
    const last = batch.at(-1)
    if (last === undefined || batch.length < batchSize) break
    after = last.id
  }
  const { table, column: name } = column
  return { table, column: name, ...counts, current: counts.current + counts.rotated, examples }
}

type Outcome = 'rotated' | 'current' | 'left' | 'damaged'

async function rotateValue(
  column: SealedColumn,
  value: SealedValue,
  { database, sealer }: RotateEncryptionOptions,
): Promise<Outcome> {
  if (sealingKeyIdOf(value.sealed) === sealer.keyId) return 'current'
  const sealed = await sealer.sealAnew(value.sealed).catch((error: unknown) => reasonFor(error))
  if (typeof sealed !== 'string') return sealed.reason
  return (await askStore(() => column.replace(database.db, value, sealed))) ? 'rotated' : 'left'
}

function reasonFor(error: unknown): { readonly reason: 'left' | 'damaged' } {
  if (!(error instanceof GatewayError)) throw error
  return { reason: error.code === 'CONFIGURATION_INVALID' ? 'left' : 'damaged' }
}
