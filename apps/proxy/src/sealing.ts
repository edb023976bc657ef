/** From the secrets of a gateway to what seals for it. */
import { createSealer, deriveSealingKey, parseEncryptionKey, type Sealer, type SealingKey } from '@toolgate/auth'
import { GatewayError } from '@toolgate/core'
import type { EncryptionSettings } from './config/encryption-variables.ts'
import type { GatewaySecrets } from './generated-secrets.ts'

/**
 * The first key is the one to seal with: the encryption key, else the salt key. A salt key beside an encryption key is a former
 * one, and so are those that are called so.
 */
export function sealerOf(
  { saltKey, formerKeys }: EncryptionSettings,
  { encryptionKey, formerEncryptionKey }: Pick<GatewaySecrets, 'encryptionKey' | 'formerEncryptionKey'>,
): Sealer {
  const encryptionKeys = [encryptionKey, formerEncryptionKey, ...formerKeys.encryptionKeys]
  const [first, ...others]: readonly SealingKey[] = [
    ...(encryptionKey === undefined ? [] : [parseEncryptionKey(encryptionKey)]),
    ...(saltKey === undefined ? [] : [deriveSealingKey(saltKey)]),
    ...encryptionKeys.slice(1).flatMap((key) => (key === undefined ? [] : [parseEncryptionKey(key)])),
    ...(formerKeys.saltKey === undefined ? [] : [deriveSealingKey(formerKeys.saltKey)]),
  ]
  // Where none was given, `resolveSecrets` has made one or refused to start.
  if (first === undefined) throw new GatewayError('CONFIGURATION_INVALID', 'There is no encryption key.')
  return createSealer({ keys: [first, ...others] })
}
