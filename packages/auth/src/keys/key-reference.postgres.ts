/**
 * Which row a key, a hash or an alias means, and turns for those who change what a key is called: an administrator may
 * name a key by a former one, which is looked up in one table and changed in another.
 */
import { lockNumbers, type Queries, supersededKeys, type VirtualKeyRow, virtualKeys } from '@toolgate/db'
import { and, eq, gt, inArray, sql } from 'drizzle-orm'
import type { KeyReference } from './key-store.ts'

/** Regenerating excludes every other write of keys while it runs; the others run beside each other. */
const namesLock = lockNumbers.keyNames

/** Until the end of the transaction no key gets another hash, unless this transaction gives it one. */
export async function holdNames(within: Queries): Promise<void> {
  await within.execute(sql`select pg_advisory_xact_lock_shared(${namesLock})`)
}

/** Until the end of the transaction nobody else writes keys through the API. */
export async function changeNames(within: Queries): Promise<void> {
  await within.execute(sql`select pg_advisory_xact_lock(${namesLock})`)
}

/** The row, locked against other writers. Names must be held, see above. */
export async function lockKey(within: Queries, reference: KeyReference): Promise<VirtualKeyRow | undefined> {
  const meant =
    'alias' in reference
      ? eq(virtualKeys.keyAlias, reference.alias)
      : eq(virtualKeys.hash, await meantBy(within, reference.hash, reference.now))
  const [row] = await within.select().from(virtualKeys).where(meant).for('update')
  return row
}

/** The hash of the key that a former key means, else the hash itself. */
async function meantBy(within: Queries, hash: string, now: Date): Promise<string> {
  return (await meantByEach(within, [hash], now)).get(hash) ?? hash
}

/** The same for many; only former keys are in the map. */
export async function meantByEach(
  within: Queries,
  hashes: readonly string[],
  now: Date,
): Promise<ReadonlyMap<string, string>> {
  const former = await within
    .select({ hash: supersededKeys.hash, successor: supersededKeys.successorHash })
    .from(supersededKeys)
    .where(and(inArray(supersededKeys.hash, [...hashes]), gt(supersededKeys.validUntil, now)))
  return new Map(former.map(({ hash, successor }) => [hash, successor]))
}

/** Hashes of the former keys of a key, ended ones too as long as they are kept. */
export async function formerHashes(within: Queries, hash: string): Promise<readonly string[]> {
  const former = await within
    .select({ hash: supersededKeys.hash })
    .from(supersededKeys)
    .where(eq(supersededKeys.successorHash, hash))
  return former.map((row) => row.hash)
}
