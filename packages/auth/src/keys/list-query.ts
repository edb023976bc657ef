/**
 * The query of `/key/list`. Parameters of LiteLLM that nothing here answers to yet are accepted and change nothing.
 */
import { z } from 'zod'
import { parseRequest } from './invalid-request.ts'
import { keyHashOf } from './key-format.ts'
import type { KeyFilter, KeySortField } from './key-store.ts'

const sortFields = {
  created_at: 'createdAt',
  updated_at: 'updatedAt',
  key_alias: 'keyAlias',
  token: 'hash',
  spend: 'spend',
  max_budget: 'maxBudget',
  expires: 'expires',
} as const satisfies Record<string, KeySortField>

const filter = z
  .string()
  .optional()
  .transform((value) => (value === '' ? undefined : value))

export const listKeysSchema = z.object({
  page: z.coerce.number().int().min(1).max(1_000_000).default(1),
  size: z.coerce.number().int().min(1).max(100).default(10),
  user_id: filter,
  team_id: filter,
  key_hash: filter,
  key_alias: filter,
  return_full_object: z.stringbool().or(z.boolean()).default(false),
  sort_by: z.enum(['created_at', 'updated_at', 'key_alias', 'token', 'spend', 'max_budget', 'expires']).optional(),
  sort_order: z.enum(['asc', 'desc']).default('desc'),
})

export type ListKeysQuery = z.output<typeof listKeysSchema>

/** Throws `INVALID_REQUEST` with `details.field`. */
export function parseListKeys(query: unknown): ListKeysQuery {
  return parseRequest(listKeysSchema, query, 'query')
}

export function keyFilterOf(query: ListKeysQuery): KeyFilter {
  return {
    offset: (query.page - 1) * query.size,
    limit: query.size,
    userId: query.user_id,
    teamId: query.team_id,
    hash: query.key_hash === undefined ? undefined : keyHashOf(query.key_hash),
    alias: query.key_alias,
    sortBy: sortFields[query.sort_by ?? 'created_at'],
    descending: query.sort_order === 'desc',
  }
}
