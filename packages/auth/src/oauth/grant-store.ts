import type { ObjectChanges, OauthCodeRow, OauthGrantRow } from '@toolgate/db'

/** The channel on which every new and every revoked grant is announced; the payload is its id. */
export const grantChangesChannel = 'oauth_grants'

/** Of the management events. */
export const grantObjectType = 'oauth_grant'

/** What a code stands for, once it is exchanged. */
export type NewCode = Pick<
  OauthCodeRow,
  'hash' | 'clientId' | 'redirectUri' | 'codeChallenge' | 'keyHash' | 'person' | 'audience' | 'scope' | 'expiresAt'
>

export interface NewAccessToken {
  readonly hash: string
  readonly issuedAt: Date
  readonly expiresAt: Date
}

/** The refresh token that counts from now on. */
export interface NewRefreshToken {
  readonly familyHash: string
  readonly refreshHash: string
  readonly refreshExpiresAt: Date
}

export interface Issued {
  readonly access: NewAccessToken
  readonly refresh: NewRefreshToken | undefined
}

export interface CodeExchange {
  readonly hash: string
  readonly now: Date
  /** Whether this code is whose it is presented by. A code that it refuses counts no more. Must not ask the store. */
  readonly accepts: (code: OauthCodeRow) => boolean
  readonly issue: Issued
  readonly grantExpiresAt: (code: OauthCodeRow) => Date
}

export interface Rotation {
  readonly familyHash: string
  readonly refreshHash: string
  readonly now: Date
  /** Whether the grant is whose token is presented. Must not ask the store. */
  readonly accepts: (grant: OauthGrantRow) => boolean
  readonly issue: { readonly access: NewAccessToken; readonly refreshHash: string; readonly refreshExpiresAt: Date }
}

/**
 * `replayed`: what is presented was used before. Somebody else has it too, so the grant is gone with all of its tokens.
 * `overtaken`: it was used a moment ago, by the same client, which refreshes twice at once; the grant stays.
 */
export type Exchanged = { readonly grant: OauthGrantRow } | 'unknown' | 'replayed' | 'overtaken'

export interface ActiveToken {
  readonly grant: OauthGrantRow
  readonly issuedAt: Date
  readonly expiresAt: Date
}

/**
 * Where grants to MCP clients are kept, with the hashes of codes and tokens. Whatever decides over a code or a refresh token
 * and what follows of it is one transaction that locks the row: of two that come with the same one, one gets tokens.
 * Every new and every revoked grant leaves a management event. Rejects with `STORE_UNAVAILABLE` where the store cannot be asked.
 */
export interface GrantStore {
  saveCode(code: NewCode, now: Date): Promise<void>
  exchangeCode(exchange: CodeExchange): Promise<Exchanged>
  rotate(rotation: Rotation): Promise<Exchanged>
  /** For the path of a request: what had not expired at `now`. */
  findAccessToken(hash: string, now: Date, signal?: AbortSignal): Promise<ActiveToken | undefined>
  /** The grant that this refresh token is the current one of. */
  findRefreshToken(refreshHash: string, now: Date): Promise<OauthGrantRow | undefined>
  /** Those that count, by their ids. */
  list(query: GrantQuery): Promise<readonly ListedGrant[]>
  find(grantId: string): Promise<OauthGrantRow | undefined>
  /** False where there was no such grant. */
  revoke(grantId: string, actor: string): Promise<boolean>
  /** What changed since the mark of an earlier answer, with some overlap; without a mark nothing. */
  changedSince(mark: Date | undefined, signal?: AbortSignal): Promise<ObjectChanges>
}

export interface GrantQuery {
  /** Of whoever consented; absent: of everybody. */
  readonly keyHashes: readonly string[] | undefined
  /** The id of the last one of the page before. */
  readonly after: string | undefined
  readonly limit: number
  readonly now: Date
}

export interface ListedGrant {
  readonly grant: OauthGrantRow
  /** What a client that registered calls itself. */
  readonly clientName: string | null
}

/** How much is kept. The oldest goes first. */
export interface GrantBounds {
  readonly grantsPerKey: number
  /** Access tokens of a grant that count at a time: a client that refreshes has calls under way with the former one. */
  readonly accessTokensPerGrant: number
  /** Codes of one key that wait to be exchanged. */
  readonly codesPerKey: number
}

export const grantBounds: GrantBounds = { grantsPerKey: 100, accessTokensPerGrant: 3, codesPerKey: 20 }
