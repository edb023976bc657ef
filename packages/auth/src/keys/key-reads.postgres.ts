/** Finding keys, for requests and for administrators, and what changed of them. */
import { calls, changedSince, type Queries, supersededKeys, type VirtualKeyRow, virtualKeys } from '@toolgate/db'
import { eq, inArray, max } from 'drizzle-orm'
import { formerHashes, meantByEach } from './key-reference.postgres.ts'
import type { FoundKey, KeyChanges } from './key-store.ts'

/** A former key is asked for second: it is the rare case, and only what is not in memory comes here at all. */
export async function findKey(db: Queries, hash: string): Promise<VirtualKeyRow | undefined> {
  const [row] = await db.select().from(virtualKeys).where(eq(virtualKeys.hash, hash))
  return row ?? (await findByFormer(db, hash))
}

async function findByFormer(db: Queries, hash: string): Promise<VirtualKeyRow | undefined> {
  const [found] = await db
    .select({ row: virtualKeys, validUntil: supersededKeys.validUntil })
    .from(supersededKeys)
    .innerJoin(virtualKeys, eq(virtualKeys.hash, supersededKeys.successorHash))
    .where(eq(supersededKeys.hash, hash))
  if (found === undefined) return undefined
  const { row, validUntil } = found
  return { ...row, expires: row.expires !== null && row.expires < validUntil ? row.expires : validUntil }
}

export async function findKeys(db: Queries, hashes: readonly string[], now: Date): Promise<readonly FoundKey[]> {
  const meant = await meantByEach(db, hashes, now)
  const wanted = hashes.map((asked) => ({ asked, hash: meant.get(asked) ?? asked }))
  const rows = await db
    .select()
    .from(virtualKeys)
    .where(
      inArray(
        virtualKeys.hash,
        wanted.map(({ hash }) => hash),
      ),
    )
  const byHash = new Map(rows.map((row) => [row.hash, row]))
  return wanted.flatMap(({ asked, hash }) => {
    const row = byHash.get(hash)
    return row === undefined ? [] : [{ asked, row }]
  })
}

export async function lastActive(db: Queries, hash: string): Promise<Date | undefined> {
  const hashes = [hash, ...(await formerHashes(db, hash))]
  const [last] = await db
    .select({ at: max(calls.startedAt) })
    .from(calls)
    .where(inArray(calls.keyHash, hashes))
  return last?.at ?? undefined
}

/** What changed of a key changed of its former ones. */
export async function keyChangesSince(db: Queries, mark: Date | undefined): Promise<KeyChanges> {
  const { changes, ...answer } = await changedSince(db, 'virtual_key', mark)
  // Asked every second: nearly always nothing has changed.
  if (changes.length === 0) return { ...answer, changes: [] }
  const changedAt = new Map(changes.map(({ id, at }) => [id, at]))
  const former = await db
    .select({ hash: supersededKeys.hash, successor: supersededKeys.successorHash })
    .from(supersededKeys)
    .where(inArray(supersededKeys.successorHash, [...changedAt.keys()]))
  const ofFormer = former.map(({ hash, successor }) => ({ hash, at: changedAt.get(successor) ?? answer.mark }))
  return { ...answer, changes: [...changes.map(({ id, at }) => ({ hash: id, at })), ...ofFormer] }
}
