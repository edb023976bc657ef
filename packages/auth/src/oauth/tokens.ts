/**
 * What the gateway issues to MCP clients: opaque random texts, each kind with a prefix of its own, so that one is never taken
 * for another and a scanner of leaked secrets knows them. Only their SHA-256 is kept: 256 random bits need no salt.
 */
import { randomBytes } from 'node:crypto'
import { Secret } from '@toolgate/core'

import { keyPrefix } from '../keys/key-format.ts'

export { hashKey as hashToken } from '../keys/key-format.ts'

const prefixes = { access: 'tgat_', refresh: 'tgrt_', code: 'tgac_', client: 'tgcs_' } as const
/** Of what stands for a code and a refresh token of a server: sealed, and not random. */
export const relayPrefixes = { code: 'tgrc_', refresh: 'tgrr_' } as const

/** How everything begins that only its holder may know; what does so is written nowhere. */
export const ownSecretPrefixes: readonly string[] = [
  keyPrefix,
  ...Object.values(prefixes),
  ...Object.values(relayPrefixes),
]

export type TokenKind = keyof typeof prefixes

const secretBytes = 32
const familyBytes = 16

export function newToken(kind: Exclude<TokenKind, 'refresh'>): Secret {
  return new Secret(`${prefixes[kind]}${randomText(secretBytes)}`)
}

/** A refresh token begins with what all of its family have in common: a former one is known as such and needs no row. */
export function newRefreshToken(family: Secret): Secret {
  return new Secret(`${family.reveal()}.${randomText(secretBytes)}`)
}

/** As unguessable as a token, so that nobody can have the family revoked who never had a token of it. */
export function newFamily(): Secret {
  return new Secret(`${prefixes.refresh}${randomText(familyBytes)}`)
}

export function familyOf(refreshToken: Secret): Secret {
  return new Secret(refreshToken.reveal().split('.', 1).join(''))
}

export function isToken(kind: TokenKind, text: string): boolean {
  return text.startsWith(prefixes[kind])
}

/** All that may be an access token inside a longer text. */
export function* accessTokensIn(text: string): Generator<Secret> {
  for (const [found] of text.matchAll(/tgat_[\w-]+/g)) yield new Secret(found)
}

const neverSent = [prefixes.refresh, prefixes.code, prefixes.client, ...Object.values(relayPrefixes)]
const neverSentToken = new RegExp(`(?:${neverSent.join('|')})[\\w-]{16}`)

/** Something that is for the gateway's own authorization server, and for nobody else whoever it is of: nobody has to look it up. */
export function holdsTokenOfTheGateway(text: string): boolean {
  return neverSentToken.test(text)
}

function randomText(bytes: number): string {
  return randomBytes(bytes).toString('base64url')
}
