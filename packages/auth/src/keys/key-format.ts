/**
 * What a virtual key looks like and what is kept of one: LiteLLM's format, so that existing keys and clients go on.
 * The hash is unsalted because look-up is by hash; a key has 128 random bits, which no table of hashes covers.
 */
import { hash, randomBytes } from 'node:crypto'
import { GatewayError, Secret } from '@toolgate/core'

export const keyPrefix = 'sk-'
const randomLength = 16
const shortestCustomKey = 16

export type RandomBytes = (length: number) => Buffer

/** `sk-` and 22 url-safe characters. */
export function newKey(random: RandomBytes = randomBytes): Secret {
  return new Secret(`${keyPrefix}${random(randomLength).toString('base64url')}`)
}

/** Hex SHA-256: the only form in which a key is stored, compared and named. */
export function hashKey(key: Secret): string {
  return hash('sha256', key.reveal())
}

/** `sk-...` and the last four characters, or without them where they would be much of the key. */
export function displayKey(key: Secret): string {
  const text = key.reveal()
  return `${keyPrefix}...${text.length >= shortestCustomKey ? text.slice(-4) : ''}`
}

export function looksLikeKey(text: string): boolean {
  return text.startsWith(keyPrefix)
}

/** Whether it has the form that every key has which was ever accepted, see {@link newKey} and {@link checkCustomKey}. */
export function couldBeKey(text: string): boolean {
  return looksLikeKey(text) && text.length >= shortestCustomKey && /^[\x21-\x7e]+$/.test(text)
}

/** Where a key in a longer text may end: a made one, one between separators, one of any visible characters. */
const keyEnds = [/^[\w-]+/, /^[^\s;,&"'<>]+/, /^[\x21-\x7e]+/]

/** All that may be a key inside a longer text. Where it ends is a guess, so one place yields several. */
export function* keysIn(text: string): Generator<Secret> {
  for (const { index } of text.matchAll(/(?<![A-Za-z0-9])sk-/g)) {
    const rest = text.slice(index)
    for (const end of keyEnds) yield new Secret(end.exec(rest)?.[0] ?? '')
  }
}

/** Hash of a key that is named by itself or by its hash, as every admin route allows. Never the text that was given. */
export function keyHashOf(reference: string): string {
  return /^[0-9a-f]{64}$/.test(reference) ? reference : hashKey(new Secret(reference))
}

/** Throws `INVALID_REQUEST` for a key of the caller's choice that could be guessed or not be sent in a header. */
export function checkCustomKey(key: string, field = 'key'): void {
  if (couldBeKey(key)) return
  throw new GatewayError(
    'INVALID_REQUEST',
    `${field}: a key of your own must start with "${keyPrefix}" and have at least ${shortestCustomKey} printable characters without spaces.`,
    { details: { field } },
  )
}
