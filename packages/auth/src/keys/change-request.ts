/**
 * The bodies that change keys there are: `/key/update`, `/key/regenerate` and `/key/bulk_update`. A field that is absent
 * is kept, null clears it.
 */
import { z } from 'zod'
import { keyFields, temporaryBudgetFields } from './key-fields.ts'

const reference = z.string().min(1)

/** `key` or `key_alias` says which key; beside `key`, `key_alias` is the name it gets. */
export const updateKeySchema = z.object({ key: reference.nullish(), ...keyFields, ...temporaryBudgetFields })

export const regenerateKeySchema = z.object({
  key: reference.nullish(),
  new_key: z.string().nullish(),
  /** Refused: the master key is not kept here. */
  new_master_key: z.string().nullish(),
  /** How long the former key goes on meaning this one. */
  grace_period: z.string().nullish(),
  ...keyFields,
  ...temporaryBudgetFields,
})

/** LiteLLM's bound of one request. */
const mostUpdates = 500

/** Each item is a body of `/key/update`, checked on its own: one that fails does not keep the others. */
export const bulkUpdateSchema = z.object({
  keys: z
    .array(z.looseObject({ key: reference }))
    .min(1)
    .max(mostUpdates),
})

export const resetSpendSchema = z.object({ reset_to: z.number().nonnegative() })

/** What changes a key: the settings of any of these bodies. */
export type KeyChangeRequest = Omit<z.output<typeof updateKeySchema>, 'key'>
