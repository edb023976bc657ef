import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { GatewayError, Secret } from '@toolgate/core'

/**
 * The two secrets a gateway cannot be without: the master key of the admin API and the key that seals what is stored.
 * With a database of its own the operator gives both; with the embedded one they are made once and kept in the data
 * folder, readable by the owner alone. They are never printed.
 */
export interface GatewaySecrets {
  readonly masterKey: Secret
  /** Raw material for the sealing key: `TOOLGATE_ENCRYPTION_KEY`'s format. Absent where a salt key was given instead. */
  readonly encryptionKey: Secret | undefined
  /** Where a person finds the master key. */
  readonly masterKeyPlace: MasterKeyPlace
}

export type MasterKeyPlace = { readonly kind: 'given' } | { readonly kind: 'file'; readonly path: string }

export interface SecretSources {
  readonly masterKey: Secret | undefined
  readonly encryptionKey: Secret | undefined
  readonly saltKey: Secret | undefined
  /** A database that is not ours: nothing may be generated, another replica could not know it. */
  readonly remoteDatabase: boolean
  readonly dataDirectory: string
}

const ownerOnly = 0o600
const ownerOnlyFolder = 0o700

export function resolveSecrets(sources: SecretSources): GatewaySecrets {
  const { masterKey, encryptionKey, saltKey, remoteDatabase, dataDirectory } = sources
  if (remoteDatabase) refuseMissing(sources)
  const masterKeyFile = join(dataDirectory, 'master-key')
  return {
    masterKey: masterKey ?? keptIn(masterKeyFile, () => `sk-${randomBytes(24).toString('base64url')}`),
    masterKeyPlace: masterKey === undefined ? { kind: 'file', path: masterKeyFile } : { kind: 'given' },
    encryptionKey:
      encryptionKey ??
      (saltKey === undefined
        ? keptIn(join(dataDirectory, 'encryption-key'), () => randomBytes(32).toString('base64'))
        : undefined),
  }
}

function refuseMissing({ masterKey, encryptionKey, saltKey }: SecretSources): void {
  if (masterKey === undefined) {
    throw new GatewayError(
      'INVALID_REQUEST',
      'With DATABASE_URL the master key must be given: set LITELLM_MASTER_KEY or general_settings.master_key.',
    )
  }
  if (encryptionKey === undefined && saltKey === undefined) {
    throw new GatewayError(
      'INVALID_REQUEST',
      'With DATABASE_URL the encryption key must be given: set TOOLGATE_ENCRYPTION_KEY (openssl rand -base64 32) or LITELLM_SALT_KEY.',
    )
  }
}

function keptIn(file: string, make: () => string): Secret {
  if (!existsSync(file)) {
    mkdirSync(join(file, '..'), { recursive: true, mode: ownerOnlyFolder })
    // `wx`: of two first starts at once, one makes the secret and the other reads it below.
    writeOnce(file, make())
  }
  return new Secret(readFileSync(file, 'utf8').trim())
}

function writeOnce(file: string, text: string): void {
  try {
    writeFileSync(file, `${text}\n`, { mode: ownerOnly, flag: 'wx' })
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error) || error.code !== 'EEXIST') throw error
  }
}
