import { createHmac, createSecretKey, type KeyObject, scryptSync } from 'node:crypto'
import { GatewayError, Secret } from '@toolgate/core'
import { CompactEncrypt, compactDecrypt, decodeProtectedHeader } from 'jose'

/**
 * Secrets at rest: compact JWE (RFC 7516) with `dir` and A256GCM, the key's id in the header of every value, so that keys can
 * be changed without rewriting what is stored. Pure functions; who stores the values is not their business.
 */
export interface SealingKey {
  /** Derived from the key and telling nothing about it: the JWE's `kid`. */
  readonly id: string
  readonly key: KeyObject
}

export interface Sealer {
  /** Id of the key that seals now. */
  readonly keyId: string
  /** Id of the key that the operator wants to seal with: the first. */
  readonly wantedKeyId: string
  /** Ids of all keys that open. */
  readonly keyIds: readonly string[]
  /** Seals with another of the keys from now on; false where there is no such key. */
  sealWith(keyId: string): boolean
  /**
   * `subject` says what the value belongs to, for example `mcp_servers:<id>`. It is no secret, and it is authenticated: a
   * value that was moved to another row does not open there.
   */
  seal(plaintext: Secret, subject: string): Promise<string>
  /**
   * Rejects with `CONFIGURATION_INVALID` where no configured key fits, with `INTERNAL` where the value was altered or belongs
   * to something else.
   */
  open(sealed: string, subject: string): Promise<Secret>
  /** The same value for the same subject, sealed with the key that seals now. Rejects as `open` does. */
  sealAnew(sealed: string): Promise<string>
}

/** Part of the authenticated header (RFC 7516 §4.3, private header parameter names). */
const subjectHeader = 'toolgate_subject'

const algorithm = { alg: 'dir', enc: 'A256GCM' } as const

/** All keys open; the first seals until `sealWith` says otherwise. */
export function createSealer({ keys }: { readonly keys: readonly [SealingKey, ...SealingKey[]] }): Sealer {
  const [wanted] = keys
  const byId = new Map(keys.map((key) => [key.id, key]))
  let sealing = wanted

  const opened = (sealed: string) => decrypt(sealed, byId)
  const seal = (plaintext: Uint8Array, subject: string) =>
    new CompactEncrypt(plaintext)
      .setProtectedHeader({ ...algorithm, kid: sealing.id, [subjectHeader]: subject })
      .encrypt(sealing.key)

  return {
    get keyId() {
      return sealing.id
    },
    wantedKeyId: wanted.id,
    keyIds: [...byId.keys()],
    sealWith(keyId) {
      const key = byId.get(keyId)
      if (key !== undefined) sealing = key
      return key !== undefined
    },
    seal: (plaintext, subject) => seal(Buffer.from(plaintext.reveal()), subject),
    async open(sealed, subject) {
      const { plaintext, subject: own } = await opened(sealed)
      if (own !== subject) throw damaged(new Error('it was sealed for something else'))
      return new Secret(Buffer.from(plaintext).toString('utf8'))
    },
    async sealAnew(sealed) {
      const { plaintext, subject } = await opened(sealed)
      return seal(plaintext, subject)
    },
  }
}

/** Id of the key that sealed a value; undefined for what was never sealed. */
export function sealingKeyIdOf(sealed: string): string | undefined {
  try {
    const { kid } = decodeProtectedHeader(sealed)
    return typeof kid === 'string' ? kid : undefined
  } catch {
    // Not a JWE: that it was never sealed is the answer.
    return undefined
  }
}

async function decrypt(
  sealed: string,
  keys: ReadonlyMap<string, SealingKey>,
): Promise<{ plaintext: Uint8Array; subject: string }> {
  const keyOf = ({ kid = '' }: { kid?: string }): KeyObject => {
    const known = keys.get(kid)
    if (known !== undefined) return known.key
    throw new GatewayError(
      'CONFIGURATION_INVALID',
      'A stored secret was sealed with a key that is not configured. Give the former encryption key as well (TOOLGATE_ENCRYPTION_KEY_PREVIOUS).',
      { internal: `known keys: ${[...keys.keys()].join(', ')}` },
    )
  }
  try {
    const { plaintext, protectedHeader } = await compactDecrypt(sealed, keyOf, {
      keyManagementAlgorithms: [algorithm.alg],
      contentEncryptionAlgorithms: [algorithm.enc],
    })
    const subject = protectedHeader[subjectHeader]
    if (typeof subject !== 'string') throw new TypeError('it was sealed for nothing')
    return { plaintext, subject }
  } catch (error) {
    if (error instanceof GatewayError) throw error
    throw damaged(error)
  }
}

function damaged(cause: unknown): GatewayError {
  return new GatewayError('INTERNAL', 'A stored secret cannot be opened: it is damaged or was altered.', { cause })
}

const keyBytes = 32
const base64Text = /^[A-Za-z0-9+/_-]+={0,2}$/

/** `TOOLGATE_ENCRYPTION_KEY`: 32 bytes in base64 or base64url, padded or not. */
export function parseEncryptionKey(text: Secret): SealingKey {
  const encoded = text.reveal().trim()
  // Node reads both alphabets under either name and skips what it does not know, hence the check of the alphabet.
  const bytes = Buffer.from(encoded, 'base64')
  if (!base64Text.test(encoded) || bytes.length !== keyBytes) {
    throw new GatewayError(
      'CONFIGURATION_INVALID',
      `TOOLGATE_ENCRYPTION_KEY must be ${keyBytes} bytes in base64 or base64url. Make one with: openssl rand -base64 ${keyBytes}`,
    )
  }
  return sealingKey(bytes)
}

const minSaltKeyLength = 16
/** Public on purpose: it separates our use of the text from others, it does not have to be secret. */
const derivationSalt = 'toolgate sealing key, version 1'

/** `LITELLM_SALT_KEY`: any text of 16 characters or more. It may be a human's, so it goes through scrypt (some 50 ms). */
export function deriveSealingKey(saltKey: Secret): SealingKey {
  const text = saltKey.reveal()
  if (text.length < minSaltKeyLength) {
    throw new GatewayError(
      'CONFIGURATION_INVALID',
      `LITELLM_SALT_KEY must have at least ${minSaltKeyLength} characters.`,
    )
  }
  return sealingKey(scryptSync(text, derivationSalt, keyBytes, { N: 2 ** 14, r: 8, p: 1 }))
}

function sealingKey(bytes: Buffer): SealingKey {
  const id = createHmac('sha256', bytes).update('toolgate sealing key id').digest('base64url').slice(0, 16)
  return { id, key: createSecretKey(bytes) }
}
