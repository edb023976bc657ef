/**
 * Keys of the configuration file, brought into the store at start. The file rules over what it says; an admin's block,
 * what a key has spent and every key the API made are not its business. A key that is no longer in the file is disabled
 * and not deleted: its history stays readable, and it works again when it is back.
 */
import { isDeepStrictEqual } from 'node:util'
import type { NewId } from '@toolgate/core'
import {
  lockNumbers,
  type Queries,
  supersededKeys,
  uniqueViolation,
  type VirtualKeyRow,
  virtualKeys,
} from '@toolgate/db'
import { and, eq, isNull, notInArray, sql } from 'drizzle-orm'
import { recordKeyChange } from './key-changes.postgres.ts'
import type { ConfigKeyRow, ConfigKeySync } from './key-store.ts'

const actor = 'config'

type Outcome = 'added' | 'changed' | 'unchanged' | { readonly refused: string }

export async function syncConfigKeys(
  within: Queries,
  keys: readonly ConfigKeyRow[],
  newId: NewId,
): Promise<ConfigKeySync> {
  // Replicas that start together take turns.
  await within.execute(sql`select pg_advisory_xact_lock(${lockNumbers.configKeys})`)
  const disabled = await disableOthers(within, keys, newId)
  const outcomes: { hash: string; outcome: Outcome }[] = []
  for (const key of keys) outcomes.push({ hash: key.hash, outcome: await takeOver(within, key, newId) })
  const countOf = (wanted: Outcome) => outcomes.filter(({ outcome }) => outcome === wanted).length
  return {
    added: countOf('added'),
    changed: countOf('changed'),
    disabled,
    refused: outcomes.flatMap(({ hash, outcome }) =>
      typeof outcome === 'string' ? [] : [{ hash, reason: outcome.refused }],
    ),
  }
}

/** Also lets go of their aliases: a key that was replaced in the file leaves its alias to its successor. */
async function disableOthers(within: Queries, keys: readonly ConfigKeyRow[], newId: NewId): Promise<number> {
  const gone = await within
    .update(virtualKeys)
    .set({ disabledReason: 'removed_from_config', keyAlias: null, updatedBy: actor, updatedAt: sql`clock_timestamp()` })
    .where(
      and(
        eq(virtualKeys.origin, 'config'),
        isNull(virtualKeys.disabledReason),
        notInArray(
          virtualKeys.hash,
          keys.map(({ hash }) => hash),
        ),
      ),
    )
    .returning()
  for (const row of gone) await recordKeyChange(within, { row, at: row.updatedAt, action: 'key.disable', actor, newId })
  return gone.length
}

async function takeOver(within: Queries, key: ConfigKeyRow, newId: NewId): Promise<Outcome> {
  const [existing] = await within.select().from(virtualKeys).where(eq(virtualKeys.hash, key.hash))
  if (existing?.origin === 'api') return { refused: 'this key was made through the API and is left as it is' }
  const wanted = { ...key, disabledReason: null }
  if (existing !== undefined && says(existing, wanted)) return 'unchanged'
  try {
    // A savepoint: a duplicate alias must not undo the other keys.
    await within.transaction(async (nested) => {
      const written = { ...wanted, updatedBy: actor }
      // As a former key of another it would mean two keys: the file's word is the later one.
      await nested.delete(supersededKeys).where(eq(supersededKeys.hash, key.hash))
      const [row] = await nested
        .insert(virtualKeys)
        .values({ ...written, origin: 'config', createdBy: actor })
        .onConflictDoUpdate({ target: virtualKeys.hash, set: { ...written, updatedAt: sql`clock_timestamp()` } })
        .returning()
      if (row === undefined) throw new Error('the upsert returned no row')
      const action = existing === undefined ? 'key.add' : 'key.change'
      await recordKeyChange(nested, { row, at: row.updatedAt, action, actor, newId })
    })
  } catch (error) {
    if (uniqueViolation(error) === undefined) throw error
    return { refused: 'another key has the same alias' }
  }
  return existing === undefined ? 'added' : 'changed'
}

/** Made anew for every entry that is read, so they say nothing about a change. */
const volatileColumns = new Set(['budgetResetAt', 'objectPermissionId'])

function says(existing: VirtualKeyRow, wanted: object): boolean {
  return Object.entries(wanted)
    .filter(([column]) => !volatileColumns.has(column))
    .every(([column, value]) => isDeepStrictEqual(Reflect.get(existing, column), asStored(value)))
}

/** As it comes back from a jsonb column. */
function asStored(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value))
}
