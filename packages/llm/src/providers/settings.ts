import { isJsonObject, type JsonObject, Secret, secretSchema } from '@toolgate/core'
import { z } from 'zod'

/** The `litellm_params` that mean the same for every provider. */

export const apiKeySchema = z.union([secretSchema, z.instanceof(Secret)], 'must be a string that is not empty')

export const apiBaseSchema = z.url({ protocol: /^https?$/ }).transform((address) => address.replace(/\/+$/, ''))

/** Seconds, as LiteLLM's `timeout`; its default of 600. Comes out in milliseconds. */
export const timeoutMsSchema = z.coerce
  .number()
  .positive()
  .max(86_400)
  .default(600)
  .transform((seconds) => seconds * 1_000)

const jsonObjectSchema = z.custom<JsonObject>(isJsonObject, 'must be an object')

/** What every entry may say, whoever its provider is. */
export const commonSettings = {
  api_key: apiKeySchema.optional(),
  timeout: timeoutMsSchema,
  /** Sent with every request. */
  extra_headers: z.record(z.string(), z.string()).optional(),
  /** Put over the body of every request. */
  extra_body: jsonObjectSchema.optional(),
  /** Parameters that the provider does not take are left out, and no error. */
  drop_params: z.boolean().optional(),
  /** Parameters that are left out of every request. */
  additional_drop_params: z.array(z.string()).optional(),
  /** A request may be changed into one that the provider takes. */
  modify_params: z.boolean().optional(),
}

export interface CommonSettings {
  readonly api_key?: Secret | undefined
  /** Milliseconds. */
  readonly timeout: number
  readonly extra_headers?: Readonly<Record<string, string>> | undefined
  readonly extra_body?: JsonObject | undefined
  readonly drop_params?: boolean | undefined
  readonly additional_drop_params?: readonly string[] | undefined
  readonly modify_params?: boolean | undefined
}
