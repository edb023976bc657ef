import { Secret, secretSchema } from '@toolgate/core'
import { z } from 'zod'

/** The `litellm_params` that mean the same for every provider. */

export const apiKeySchema = z.union([secretSchema, z.instanceof(Secret)])

export const apiBaseSchema = z.url({ protocol: /^https?$/ }).transform((address) => address.replace(/\/+$/, ''))

/** Seconds, as LiteLLM's `timeout`; its default of 600. Comes out in milliseconds. */
export const timeoutMsSchema = z.coerce
  .number()
  .positive()
  .max(86_400)
  .default(600)
  .transform((seconds) => seconds * 1_000)
