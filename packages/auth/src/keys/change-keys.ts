/** Changing keys there are: `/key/update`, `/key/bulk_update`, `/key/block`, `/key/{key}/reset_spend`, `/key/delete`. */
import { GatewayError } from '@toolgate/core'
import { z } from 'zod'
import { bulkUpdateSchema, resetSpendSchema, updateKeySchema } from './change-request.ts'
import { changedSettings } from './changed-settings.ts'
import { refuseConfigured, refuseRemoved } from './configured-key.ts'
import { parseRequest } from './invalid-request.ts'
import { refuseAboveBounds } from './key-bounds.ts'
import { parseKeyBody } from './key-fields.ts'
import { keyHashOf } from './key-format.ts'
import { tokenRow } from './key-response.ts'
import type { KeyReference, KeyUpdate, WrittenKey } from './key-store.ts'
import { warningsFor } from './key-warnings.ts'
import { unknownAlias, unknownKey } from './unknown-key.ts'
import type { ChangedKey, KeyContext, VirtualKeys } from './virtual-keys.ts'

const mostReferences = 1000
const references = z.array(z.string().min(1)).max(mostReferences).nullish()
export const deleteKeysSchema = z.object({ keys: references, key_aliases: references })
export const blockKeySchema = z.object({ key: z.string().min(1) })

export interface BulkUpdate {
  readonly total_requested: number
  readonly successful_updates: readonly { readonly key: string; readonly key_info: ChangedKey }[]
  /** `key` is the hash of what was sent. */
  readonly failed_updates: readonly { readonly key: string; readonly failed_reason: string }[]
}

type Changing = 'update' | 'bulkUpdate' | 'block' | 'unblock' | 'resetSpend' | 'delete'

export function keyChanges(context: KeyContext): Pick<VirtualKeys, Changing> {
  const setBlocked = async (body: unknown, blocked: boolean, actor: string) => {
    const { key } = parseRequest(blockKeySchema, body)
    const { row } = await write(key, context, {
      action: blocked ? 'key.block' : 'key.unblock',
      actor,
      change(existing) {
        if (!blocked) refuseRemoved(existing)
        return { blocked }
      },
    })
    return tokenRow(row)
  }

  return {
    update: (body, actor) => update(body, actor, context),
    bulkUpdate: (body, actor) => updateEach(body, actor, context),
    block: (body, actor) => setBlocked(body, true, actor),
    unblock: (body, actor) => setBlocked(body, false, actor),
    resetSpend: async (reference, body, actor) =>
      resetSpend(reference, { ...parseRequest(resetSpendSchema, body), actor }, context),

    async delete(body, actor) {
      const { keys, key_aliases } = parseRequest(deleteKeysSchema, body)
      const hashes = (keys ?? []).map(keyHashOf)
      const aliases = key_aliases ?? []
      if (hashes.length + aliases.length === 0) {
        throw new GatewayError('INVALID_REQUEST', 'keys: name at least one key in keys or key_aliases.', {
          details: { field: 'keys' },
        })
      }
      const ended = await context.store.remove({ hashes, aliases, now: new Date(context.clock.now()) }, actor)
      for (const hash of ended) context.onChange(hash)
      return { deleted_keys: [...hashes, ...aliases] }
    },
  }
}

async function update(body: unknown, actor: string, context: KeyContext): Promise<ChangedKey> {
  const { clock, upperBounds } = context
  const { request, ignored } = parseKeyBody(updateKeySchema, body)
  const { key, ...named } = request
  const { key_alias: alias, ...rest } = named
  if (key == null && alias == null) {
    throw new GatewayError('INVALID_REQUEST', 'key: name the key by key or by key_alias.', {
      details: { field: 'key' },
    })
  }
  const changes = key == null ? rest : named
  refuseAboveBounds(changes, upperBounds(), clock)
  const warnings = warningsFor(changes, ignored, context)
  const { row } = await write(key ?? { alias: alias ?? '' }, context, {
    action: 'key.update',
    actor,
    change(existing) {
      const patch = changedSettings(changes, existing, context)
      refuseConfigured(existing, patch)
      return patch
    },
  })
  return { key: row.hash, ...tokenRow(row), warnings }
}

/** One after the other: each is a transaction of its own, and five hundred at once would take every connection. */
async function updateEach(body: unknown, actor: string, context: KeyContext): Promise<BulkUpdate> {
  const { keys } = parseRequest(bulkUpdateSchema, body)
  const successful: BulkUpdate['successful_updates'][number][] = []
  const failed: BulkUpdate['failed_updates'][number][] = []
  for (const item of keys) {
    try {
      const info = await update(item, actor, context)
      successful.push({ key: info.key, key_info: info })
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error
      // Told in the answer: the others are not to suffer from it.
      failed.push({ key: keyHashOf(item.key), failed_reason: error.message })
    }
  }
  return { total_requested: keys.length, successful_updates: successful, failed_updates: failed }
}

async function resetSpend(
  reference: string,
  { reset_to: spend, actor }: { reset_to: number; actor: string },
  context: KeyContext,
): Promise<Readonly<Record<string, unknown>>> {
  let previous = spend
  const { row } = await write(reference, context, {
    action: 'key.reset_spend',
    actor,
    change(existing) {
      previous = existing.spend
      if (spend <= existing.spend) return { spend }
      throw new GatewayError('INVALID_REQUEST', 'reset_to: is more than the key has spent.', {
        details: { field: 'reset_to' },
      })
    },
  })
  return {
    key_hash: row.hash,
    spend: row.spend,
    previous_spend: previous,
    max_budget: row.maxBudget,
    budget_reset_at: row.budgetResetAt?.toISOString() ?? null,
  }
}

async function write(
  named: string | { readonly alias: string },
  { store, clock, onChange }: KeyContext,
  change: KeyUpdate,
): Promise<WrittenKey> {
  const reference: KeyReference =
    typeof named === 'string' ? { hash: keyHashOf(named), now: new Date(clock.now()) } : named
  const written = await store.update(reference, change)
  if (written === undefined) throw typeof named === 'string' ? unknownKey(named) : unknownAlias()
  for (const hash of written.hashes) onChange(hash)
  return written
}
