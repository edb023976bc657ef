/** The body of `/key/generate` as LiteLLM takes it, checked. Config `virtual_keys` are read by the same schema. */
import { z } from 'zod'
import { isMetadataField, keyFields, parseKeyBody } from './key-fields.ts'

export const generateKeySchema = z.object({ key: z.string().nullish(), ...keyFields })

export type GenerateKeyRequest = z.output<typeof generateKeySchema>

/** Checks a body, see {@link parseKeyBody}. */
export function parseGenerateKey(body: unknown): { request: GenerateKeyRequest; ignored: readonly string[] } {
  return parseKeyBody(generateKeySchema, body)
}

/** The fields of a request that belong into `metadata`, which wins over what `metadata` itself says. */
export function metadataOf(request: GenerateKeyRequest): Record<string, unknown> {
  const given = Object.entries(request).filter(([name, value]) => isMetadataField(name) && value != null)
  return { ...request.metadata, ...Object.fromEntries(given) }
}
