/**
 * The query of `/key/list`. A filter that nothing here answers to is refused: ignored, it would widen the answer.
 */
import { firstMisspelt, isJsonObject } from '@toolgate/core'
import { z } from 'zod'
import { invalidRequest, parseRequest } from './invalid-request.ts'
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

/** LiteLLM's other filters. An empty one filters nothing there either. */
const unsupportedFilters = [
  'organization_id',
  'project_id',
  'agent_id',
  'access_group_id',
  'substring_matching',
  'status',
  'expires',
]
/** LiteLLM's other parameters: they widen the answer of somebody who is no administrator, or add to it. */
const withoutEffect = ['include_team_keys', 'include_created_by_keys', 'expand']

/** Throws `INVALID_REQUEST` with `details.field`. Parameters that nobody knows are let pass. */
export function parseListKeys(query: unknown): ListKeysQuery {
  if (isJsonObject(query)) refuseFilters(query)
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

function refuseFilters(query: Readonly<Record<string, unknown>>): void {
  const filter = unsupportedFilters.find((name) => !filtersNothing(query[name]))
  if (filter !== undefined) throw refused(filter, 'This filter is not supported by this version. Leave it out.')
  const known = [...Object.keys(listKeysSchema.shape), ...unsupportedFilters, ...withoutEffect]
  const misspelt = firstMisspelt(Object.keys(query), known)
  if (misspelt !== undefined) throw refused(misspelt.key, `Unknown parameter. Did you mean "${misspelt.meant}"?`)
}

function filtersNothing(value: unknown): boolean {
  return value === undefined || value === '' || value === 'false' || value === false
}

function refused(name: string, message: string) {
  return invalidRequest([{ path: [name], message, code: 'extra_forbidden' }], 'query')
}
