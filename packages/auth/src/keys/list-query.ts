/**
 * The queries of `/key/list` and `/key/aliases`. A misspelt filter is refused: ignored, it would widen the answer.
 */
import { type Clock, isJsonObject } from '@toolgate/core'
import { z } from 'zod'
import { invalidRequest, parseRequest, unknownFields } from './invalid-request.ts'
import { keyHashOf } from './key-format.ts'
import type { AliasFilter, KeyFilter, KeySortField } from './key-store.ts'

const sortFields = {
  created_at: 'createdAt',
  updated_at: 'updatedAt',
  key_alias: 'keyAlias',
  token: 'hash',
  spend: 'spend',
  max_budget: 'maxBudget',
  expires: 'expires',
  user_id: 'userId',
  team_id: 'teamId',
} as const satisfies Record<string, KeySortField>

const filter = z
  .string()
  .optional()
  .transform((value) => (value === '' ? undefined : value))
const choice = z.stringbool().or(z.boolean()).default(false)
const page = z.coerce.number().int().min(1).max(1_000_000).default(1)
const size = z.coerce.number().int().min(1).max(100)
const orNothing = z.literal('').transform(() => undefined)

export const listKeysSchema = z.object({
  page,
  size: size.default(10),
  user_id: filter,
  team_id: filter,
  organization_id: filter,
  project_id: filter,
  agent_id: filter,
  access_group_id: filter,
  key_hash: filter,
  key_alias: filter,
  substring_matching: choice,
  expires: z.enum(['active', 'expired']).or(orNothing).optional(),
  status: z.literal('deleted').or(orNothing).optional(),
  return_full_object: choice,
  include_team_keys: choice,
  include_created_by_keys: choice,
  expand: filter,
  sort_by: z
    .enum(['created_at', 'updated_at', 'key_alias', 'token', 'spend', 'max_budget', 'expires', 'user_id', 'team_id'])
    .or(orNothing)
    .optional(),
  sort_order: z.enum(['asc', 'desc']).default('desc'),
})

export type ListKeysQuery = z.output<typeof listKeysSchema>

export const listAliasesSchema = z.object({ page, size: size.default(50), search: filter, team_id: filter })

/** Filters that ask for what is not kept of a deleted key. */
const notOfDeletedKeys = [
  'access_group_id',
  'expires',
  'sort_by',
  'include_team_keys',
  'include_created_by_keys',
] as const

/** Throws `INVALID_REQUEST` with `details.field`. Parameters that nobody knows are let pass. */
export function parseListKeys(query: unknown): ListKeysQuery {
  const parsed = parseQuery(listKeysSchema, query)
  if (parsed.expand !== undefined && parsed.expand !== 'user') {
    throw refused('expand', 'Only "user" can be expanded.')
  }
  if (parsed.status !== 'deleted') return parsed
  const excess = notOfDeletedKeys.find((name) => parsed[name] !== undefined && parsed[name] !== false)
  if (excess === undefined) return parsed
  throw refused(excess, 'Does not go with status=deleted: deleted keys are listed by the time of their deletion.')
}

/** `page` and `size` beside the filter, which has them as well. */
export function parseListAliases(query: unknown): { filter: AliasFilter; page: number; size: number } {
  const parsed = parseQuery(listAliasesSchema, query)
  const { page: number, size: limit, search, team_id: teamId } = parsed
  return { filter: { offset: (number - 1) * limit, limit, search, teamId }, page: number, size: limit }
}

export function keyFilterOf(query: ListKeysQuery, clock: Clock): KeyFilter {
  return {
    offset: (query.page - 1) * query.size,
    limit: query.size,
    userId: query.user_id,
    orCreatedByUser: query.include_created_by_keys,
    orTeamsOfUser: query.include_team_keys,
    teamId: query.team_id,
    organizationId: query.organization_id,
    projectId: query.project_id,
    agentId: query.agent_id,
    accessGroupId: query.access_group_id,
    hash: query.key_hash === undefined ? undefined : keyHashOf(query.key_hash),
    alias: query.key_alias,
    substrings: query.substring_matching,
    expires: query.expires === undefined ? undefined : { state: query.expires, now: new Date(clock.now()) },
    sortBy: sortFields[query.sort_by ?? 'created_at'],
    descending: query.sort_order === 'desc',
  }
}

function parseQuery<Schema extends z.ZodObject>(schema: Schema, query: unknown): z.output<Schema> {
  if (isJsonObject(query)) unknownFields(query, { known: Object.keys(schema.shape), where: 'query' })
  return parseRequest(schema, query, 'query')
}

function refused(name: string, message: string) {
  return invalidRequest([{ path: [name], message, code: 'extra_forbidden' }], 'query')
}
