/** The variables that say what seals stored secrets, and what sealed them before. */
import { Secret } from '@toolgate/core'
import { z } from 'zod'

export interface EncryptionSettings {
  /** `TOOLGATE_ENCRYPTION_KEY`: 32 bytes in base64 or base64url. */
  readonly encryptionKey: Secret | undefined
  /** `LITELLM_SALT_KEY` */
  readonly saltKey: Secret | undefined
  /** Keys that open beside those above, while what is stored is sealed anew. */
  readonly formerKeys: FormerEncryptionKeys
}

export interface FormerEncryptionKeys {
  /** `TOOLGATE_ENCRYPTION_KEY_PREVIOUS`: one or several. */
  readonly encryptionKeys: readonly Secret[]
  /** `LITELLM_SALT_KEY_PREVIOUS` */
  readonly saltKey: Secret | undefined
}

/** One is enough for a rotation; more where earlier ones were never finished. */
const mostFormerKeys = 8

const secret = z.string().transform((value) => new Secret(value))
const encryptionKey = z
  .string()
  .regex(/^[A-Za-z0-9+/_-]+={0,2}$/)
  .refine((value) => Buffer.from(value, 'base64').length === 32)
  .pipe(secret)
const saltKey = z.string().min(16).pipe(secret)

export const encryptionVariables = z.object({
  TOOLGATE_ENCRYPTION_KEY: encryptionKey.optional(),
  LITELLM_SALT_KEY: saltKey.optional(),
  TOOLGATE_ENCRYPTION_KEY_PREVIOUS: z
    .string()
    .transform((value) => value.split(/[\s,]+/).filter((item) => item !== ''))
    .pipe(z.array(encryptionKey).max(mostFormerKeys))
    .default([]),
  LITELLM_SALT_KEY_PREVIOUS: saltKey.optional(),
})

export const encryptionRequirements = {
  TOOLGATE_ENCRYPTION_KEY: '32 bytes in base64 or base64url (openssl rand -base64 32)',
  LITELLM_SALT_KEY: 'at least 16 characters long',
  TOOLGATE_ENCRYPTION_KEY_PREVIOUS: `up to ${mostFormerKeys} keys of 32 bytes in base64 or base64url, separated by commas`,
  LITELLM_SALT_KEY_PREVIOUS: 'at least 16 characters long',
} as const

export function toEncryption(checked: z.output<typeof encryptionVariables>): EncryptionSettings {
  return {
    encryptionKey: checked.TOOLGATE_ENCRYPTION_KEY,
    saltKey: checked.LITELLM_SALT_KEY,
    formerKeys: {
      encryptionKeys: checked.TOOLGATE_ENCRYPTION_KEY_PREVIOUS,
      saltKey: checked.LITELLM_SALT_KEY_PREVIOUS,
    },
  }
}
