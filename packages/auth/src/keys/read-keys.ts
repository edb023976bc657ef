/** Reading keys: `/key/info`, `/v2/key/info`, `/key/list` and `/key/aliases`. */
import { GatewayError } from '@toolgate/core'
import type { VirtualKeyRow } from '@toolgate/db'
import { z } from 'zod'
import { parseRequest } from './invalid-request.ts'
import { keyHashOf } from './key-format.ts'
import { type TokenRow, tokenRow } from './key-response.ts'
import type { KeyFilter } from './key-store.ts'
import { keyFilterOf, parseListAliases, parseListKeys } from './list-query.ts'
import { unknownKey } from './unknown-key.ts'
import type { KeyContext, VirtualKeys } from './virtual-keys.ts'

const mostKeys = 1000
export const keyInfosSchema = z.object({ keys: z.array(z.string().min(1)).min(1).max(mostKeys) })

export interface KeyInfos {
  readonly key: readonly string[]
  readonly info: readonly TokenRow[]
  /** Hashes of those that do not exist. */
  readonly missing: readonly string[]
}

/** Beside the row what `expand=user` asks for, or what is known of a deletion. */
export type ListedKey = Readonly<Record<string, unknown>>

export interface KeyList {
  readonly keys: readonly (string | ListedKey)[]
  readonly total_count: number
  readonly current_page: number
  readonly total_pages: number
}

export interface AliasList {
  readonly aliases: readonly string[]
  readonly total_count: number
  readonly current_page: number
  readonly total_pages: number
  readonly size: number
}

export function keyReading(context: KeyContext): Pick<VirtualKeys, 'info' | 'infos' | 'list' | 'aliases'> {
  const { store, clock } = context
  return {
    async info(reference) {
      const [found] = await store.findAll([keyHashOf(reference)], new Date(clock.now()))
      if (found === undefined) throw unknownKey(reference)
      const { row } = found
      return { key: row.hash, info: tokenRow(row, await store.lastActive(row.hash)) }
    },

    async infos(body) {
      const asked = parseRequest(keyInfosSchema, body).keys.map(keyHashOf)
      const found = await store.findAll(asked, new Date(clock.now()))
      const known = new Set(found.map((key) => key.asked))
      const missing = asked.filter((hash) => !known.has(hash))
      if (found.length === 0) {
        throw new GatewayError('KEY_NOT_FOUND', 'None of these keys exists.', { details: { field: 'keys', missing } })
      }
      return { key: found.map(({ row }) => row.hash), info: found.map(({ row }) => tokenRow(row)), missing }
    },

    async list(query) {
      const parsed = parseListKeys(query)
      const page = { full: parsed.return_full_object || parsed.expand === 'user', user: parsed.expand === 'user' }
      const { keys, total } = await listed(keyFilterOf(parsed, clock), {
        ...page,
        deleted: parsed.status === 'deleted',
      })
      return {
        keys,
        total_count: total,
        current_page: parsed.page,
        total_pages: Math.ceil(total / parsed.size),
      }
    },

    async aliases(query) {
      const { filter, page, size } = parseListAliases(query)
      const { rows, total } = await store.listAliases(filter)
      return { aliases: rows, total_count: total, current_page: page, total_pages: Math.ceil(total / size), size }
    },
  }

  async function listed(
    filter: KeyFilter,
    { full, user, deleted }: { full: boolean; user: boolean; deleted: boolean },
  ): Promise<{ keys: readonly (string | ListedKey)[]; total: number }> {
    if (deleted) {
      const { rows, total } = await store.listDeleted(filter)
      const shown = rows.map(({ row, deletedAt, deletedBy }) => {
        return { ...row, deleted_at: deletedAt.toISOString(), deleted_by: deletedBy }
      })
      return { keys: full ? shown : rows.map(({ hash }) => hash), total }
    }
    const { rows, total } = await store.list(filter)
    const shown = rows.map((row) => ({ ...tokenRow(row), ...(user && { user: userOf(row) }) }))
    return { keys: full ? shown : rows.map(({ hash }) => hash), total }
  }
}

/** Of users only their ids are known here. */
function userOf({ userId }: VirtualKeyRow) {
  return userId === null ? null : { user_id: userId, user_email: null, user_alias: null }
}
