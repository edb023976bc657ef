import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { isWellFormedCredential } from '@toolgate/auth'
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
  /** A former one, kept while what is stored is sealed anew. */
  readonly formerEncryptionKey: Secret | undefined
  /** Where a person finds the master key. */
  readonly masterKeyPlace: MasterKeyPlace
}

export type MasterKeyPlace =
  /** `LITELLM_MASTER_KEY` of the process. */
  | { readonly kind: 'variable' }
  /** The configuration file says it, or names a variable that holds it. */
  | { readonly kind: 'configuration'; readonly path: string }
  /** Generated. */
  | { readonly kind: 'file'; readonly path: string }

export interface SecretSources {
  /** The one to use, wherever it was given. */
  readonly masterKey: Secret | undefined
  /** What `LITELLM_MASTER_KEY` of the process holds; the configuration file may say otherwise and wins. */
  readonly masterKeyVariable: Secret | undefined
  readonly configFile: string
  readonly encryptionKey: Secret | undefined
  readonly saltKey: Secret | undefined
  /** A database that is not ours: nothing may be generated, another replica could not know it. */
  readonly remoteDatabase: boolean
  readonly dataDirectory: string
}

const ownerOnly = 0o600
const ownerOnlyFolder = 0o700

/** Rejects with `CONFIGURATION_INVALID` where one is missing, weak or damaged. */
export function resolveSecrets(sources: SecretSources): GatewaySecrets {
  const { masterKey, encryptionKey, saltKey, remoteDatabase, dataDirectory } = sources
  if (masterKey !== undefined) refuseUnpresentable(masterKey)
  if (remoteDatabase) {
    refuseMissing(sources)
    refuseWeak(sources)
  }
  const masterKeyFile = join(dataDirectory, 'master-key')
  const isKept = encryptionKey === undefined && saltKey === undefined
  return {
    masterKey: masterKey ?? keptIn(masterKeyFile, masterKeyForm),
    masterKeyPlace: masterKey === undefined ? { kind: 'file', path: masterKeyFile } : placeOf(masterKey, sources),
    encryptionKey: isKept ? keptIn(encryptionKeyFile(dataDirectory), encryptionKeyForm) : encryptionKey,
    formerEncryptionKey: isKept ? readFormerKey(dataDirectory) : undefined,
  }
}

/**
 * Makes the next encryption key of a data folder, beside the former one; one that was made and not finished with stays the
 * next one. Call only while no gateway runs on this folder.
 */
export function makeNextEncryptionKey(dataDirectory: string): void {
  const file = encryptionKeyFile(dataDirectory)
  const current = keptIn(file, encryptionKeyForm)
  const former = readFormerKey(dataDirectory)
  if (former !== undefined && !former.equals(current.reveal())) return
  keeping(file, () => {
    // In this order: a key that is in neither file would be lost, and all that it sealed.
    writeFileSync(formerKeyFile(dataDirectory), `${current.reveal()}\n`, { mode: ownerOnly, flush: true })
    const draft = `${file}.draft`
    writeFileSync(draft, `${encryptionKeyForm.make()}\n`, { mode: ownerOnly, flush: true })
    renameSync(draft, file)
  })
}

/** For when nothing is sealed with it any more. */
export function forgetFormerEncryptionKey(dataDirectory: string): void {
  keeping(formerKeyFile(dataDirectory), () => rmSync(formerKeyFile(dataDirectory), { force: true }))
}

function readFormerKey(dataDirectory: string): Secret | undefined {
  const file = formerKeyFile(dataDirectory)
  return existsSync(file) ? keptIn(file, encryptionKeyForm) : undefined
}

function encryptionKeyFile(dataDirectory: string): string {
  return join(dataDirectory, 'encryption-key')
}

function formerKeyFile(dataDirectory: string): string {
  return join(dataDirectory, 'encryption-key.previous')
}

function refuseMissing({ masterKey, encryptionKey, saltKey }: SecretSources): void {
  if (masterKey === undefined) {
    throw new GatewayError(
      'CONFIGURATION_INVALID',
      'With DATABASE_URL the master key must be given: set LITELLM_MASTER_KEY or general_settings.master_key.',
    )
  }
  if (encryptionKey === undefined && saltKey === undefined) {
    throw new GatewayError(
      'CONFIGURATION_INVALID',
      'With DATABASE_URL the encryption key must be given: set TOOLGATE_ENCRYPTION_KEY (openssl rand -base64 32) or LITELLM_SALT_KEY.',
    )
  }
}

/** Every request with it would be refused, and nobody would know why. */
function refuseUnpresentable(masterKey: Secret): void {
  if (isWellFormedCredential(masterKey.reveal())) return
  throw new GatewayError(
    'CONFIGURATION_INVALID',
    'The master key must be of visible ASCII characters without spaces, and no longer than 8192: clients send it in a header.',
  )
}

/** Below this a secret is guessed sooner or later, whatever it is made of. */
const shortestSecret = 16
/** Of words typed at random fewer are very unlikely; of `aaaaaaaaaaaaaaaa` there is one. */
const fewestDistinct = 8

/** What many gateways share is reached by many; what one person tries out may be `sk-1234`. */
function refuseWeak({ masterKey, encryptionKey, saltKey }: SecretSources): void {
  const given = [
    { name: 'The master key', text: masterKey?.reveal(), hint: 'openssl rand -hex 24, behind "sk-"' },
    {
      name: 'TOOLGATE_ENCRYPTION_KEY',
      text: encryptionKey && Buffer.from(encryptionKey.reveal(), 'base64').toString('latin1'),
      hint: 'openssl rand -base64 32',
    },
    { name: 'LITELLM_SALT_KEY', text: saltKey?.reveal(), hint: 'openssl rand -hex 24' },
  ]
  for (const { name, text, hint } of given) {
    if (text === undefined || (text.length >= shortestSecret && new Set(text).size >= fewestDistinct)) continue
    throw new GatewayError(
      'CONFIGURATION_INVALID',
      `With DATABASE_URL ${name.replace('The', 'the')} must not be weak: ${shortestSecret} characters or more, ${fewestDistinct} of them different. Make one with: ${hint}.`,
    )
  }
}

function placeOf(masterKey: Secret, { masterKeyVariable, configFile }: SecretSources): MasterKeyPlace {
  const isVariable = masterKeyVariable !== undefined && masterKey.equals(masterKeyVariable.reveal())
  return isVariable ? { kind: 'variable' } : { kind: 'configuration', path: configFile }
}

/** How a kept secret is made, and what it looks like when it is read again. */
interface SecretForm {
  make(): string
  readonly pattern: RegExp
  readonly description: string
}

const masterKeyForm: SecretForm = {
  make: () => `sk-${randomBytes(24).toString('base64url')}`,
  pattern: /^[\x21-\x7e]+$/,
  description: 'one word',
}

const encryptionKeyForm: SecretForm = {
  make: () => randomBytes(32).toString('base64'),
  pattern: /^[A-Za-z0-9+/_-]{43}=?$/,
  description: '32 bytes in base64',
}

function keptIn(file: string, { make, pattern, description }: SecretForm): Secret {
  const secret = readOrMake(file, make)
  // An empty key would admit anybody who sends nothing.
  if (pattern.test(secret)) return new Secret(secret)
  const fault = secret === '' ? 'is empty' : 'is damaged'
  throw new GatewayError(
    'CONFIGURATION_INVALID',
    `The key file ${file} ${fault}: it must hold ${description}. Restore it; a new one is made where there is none.`,
  )
}

function readOrMake(file: string, make: () => string): string {
  return keeping(file, () => {
    if (!existsSync(file)) {
      mkdirSync(dirname(file), { recursive: true, mode: ownerOnlyFolder })
      // `wx`: of two first starts at once, one makes the secret and the other reads it below.
      writeOnce(file, make())
    }
    return readFileSync(file, 'utf8').trim()
  })
}

function keeping<Answer>(file: string, work: () => Answer): Answer {
  try {
    return work()
  } catch (error) {
    throw new GatewayError('CONFIGURATION_INVALID', `Cannot keep a key in ${file}: the system says ${codeOf(error)}.`, {
      cause: error,
    })
  }
}

function writeOnce(file: string, text: string): void {
  try {
    writeFileSync(file, `${text}\n`, { mode: ownerOnly, flag: 'wx' })
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}
