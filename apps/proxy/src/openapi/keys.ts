/** The key API in `/openapi.json`, from the schemas that check its requests. */
import {
  blockKeySchema,
  bulkUpdateSchema,
  deleteKeysSchema,
  generateKeySchema,
  keyInfosSchema,
  listAliasesSchema,
  listKeysSchema,
  regenerateKeySchema,
  resetSpendSchema,
  updateKeySchema,
} from '@toolgate/auth'
import { z } from 'zod'
import type { Operation } from './operation.ts'

const oneKey = z.object({ key: z.string().optional() })
const keyInPath = z.object({ key: z.string() })

export const keyOperations: Readonly<Record<string, Operation>> = {
  'POST /key/generate': {
    summary: 'Make a virtual key; the answer is the only one that holds it',
    body: generateKeySchema,
  },
  'POST /key/service-account/generate': {
    summary: 'Make a virtual key of a team and of no user',
    body: generateKeySchema.required({ team_id: true }).omit({ user_id: true }),
  },
  'GET /key/info': { summary: 'A key; without `key` the caller’s own', query: oneKey },
  'POST /v2/key/info': { summary: 'Several keys at once', body: keyInfosSchema },
  'GET /key/list': { summary: 'Keys, or deleted keys, filtered, sorted and paged', query: listKeysSchema },
  'GET /key/aliases': { summary: 'Aliases of keys, paged', query: listAliasesSchema },
  'POST /key/update': {
    summary: 'Change settings of a key; what is left out is kept, null clears',
    body: updateKeySchema,
  },
  'POST /key/bulk_update': { summary: 'Change several keys, each on its own', body: bulkUpdateSchema },
  'POST /key/regenerate': {
    summary: 'Put another key in the place of one; the answer is the only one that holds it',
    query: oneKey,
    body: regenerateKeySchema,
    bodyOptional: true,
  },
  'POST /key/{key}/regenerate': {
    summary: 'The same, with the key or its hash in the path',
    path: keyInPath,
    body: regenerateKeySchema,
    bodyOptional: true,
  },
  'POST /key/rotate': { summary: 'For the holder of a key that is due for rotation: the next key, once' },
  'POST /key/{key}/reset_spend': { summary: 'Lower what a key has spent', path: keyInPath, body: resetSpendSchema },
  'POST /key/health': { summary: 'Whether the key of the request is accepted' },
  'POST /key/delete': { summary: 'Delete keys by key, hash or alias', body: deleteKeysSchema },
  'POST /key/block': { summary: 'Block a key', body: blockKeySchema },
  'POST /key/unblock': { summary: 'Unblock a key', body: blockKeySchema },
}
