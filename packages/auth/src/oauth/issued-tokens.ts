/** What becomes of tokens after they were issued: who may ask about them (RFC 7662), and how they end (RFC 7009). */
import { type Clock, type Principal, Secret } from '@toolgate/core'
import type { OauthGrantRow } from '@toolgate/db'
import type { AccessTokens } from './access-tokens.ts'
import type { OauthClient } from './clients.ts'
import type { Consenter } from './consenters.ts'
import type { GrantStore, ListedGrant } from './grant-store.ts'
import { hashToken, isToken } from './tokens.ts'

export interface IssuedTokens {
  /** For administrators any token, for a key those that it consented to; undefined for all others and for what does not count. */
  look(token: string, asker: Principal, signal: AbortSignal): Promise<IssuedToken | undefined>
  /** Ends the whole grant of a token of this client. Says nothing of a token that is no such one. */
  revoke(token: string, client: OauthClient, signal: AbortSignal): Promise<void>
  /** What was consented to and counts: for administrators of everybody or one key, for a key of itself. */
  list(
    asker: Principal,
    query: { key?: string | undefined; after?: string | undefined; limit: number },
  ): Promise<readonly ListedGrant[]>
  /** Ends a grant with all of its tokens; false where there is none, or it is not the asker's. */
  end(grantId: string, asker: Principal): Promise<boolean>
}

export interface IssuedToken {
  readonly kind: 'access' | 'refresh'
  readonly grant: OauthGrantRow
  readonly issuedAt: Date | undefined
  readonly expiresAt: Date
  /** Who it is, at this moment. */
  readonly principal: Principal
}

export interface IssuedTokensOptions {
  readonly store: Pick<GrantStore, 'findAccessToken' | 'findRefreshToken' | 'list' | 'find' | 'revoke'>
  readonly accessTokens: Pick<AccessTokens, 'forget'>
  /** Who that is; undefined where nobody may use what it is of. */
  readonly principalOf: (grant: Consenter, signal: AbortSignal) => Promise<Principal | undefined>
  readonly clock: Clock
}

export function createIssuedTokens({ store, accessTokens, principalOf, clock }: IssuedTokensOptions): IssuedTokens {
  const find = async (token: string, signal: AbortSignal): Promise<Omit<IssuedToken, 'principal'> | undefined> => {
    const now = new Date(clock.now())
    const hash = hashToken(new Secret(token))
    if (isToken('access', token)) {
      const found = await store.findAccessToken(hash, now, signal)
      return found && { kind: 'access', ...found }
    }
    const grant = isToken('refresh', token) ? await store.findRefreshToken(hash, now) : undefined
    if (grant === undefined || grant.refreshExpiresAt === null || grant.expiresAt <= now) return undefined
    return { kind: 'refresh', grant, issuedAt: undefined, expiresAt: grant.refreshExpiresAt }
  }

  return {
    async look(token, asker, signal) {
      const found = await find(token, signal)
      if (found === undefined || !(asker.admin || isOf(found.grant, asker))) return undefined
      const principal = await principalOf(found.grant, signal)
      return principal && { ...found, principal }
    },
    async revoke(token, client, signal) {
      const found = await find(token, signal)
      if (found === undefined || found.grant.clientId !== client.id) return
      await store.revoke(found.grant.id, client.id)
      accessTokens.forget(found.grant.id)
    },
    list(asker, { key, after, limit }) {
      const keyHashes = asker.admin ? key && [key] : ownHashes(asker)
      return store.list({ keyHashes: keyHashes || undefined, after, limit, now: new Date(clock.now()) })
    },
    async end(grantId, asker) {
      const grant = await store.find(grantId)
      if (grant === undefined || !(asker.admin || isOf(grant, asker))) return false
      const ended = await store.revoke(grantId, asker.keyHash)
      accessTokens.forget(grantId)
      return ended
    },
  }
}

function isOf({ keyHash }: OauthGrantRow, asker: Principal): boolean {
  return ownHashes(asker).includes(keyHash)
}

function ownHashes({ keyHash, formerKeyHash }: Principal): readonly string[] {
  return formerKeyHash === undefined ? [keyHash] : [keyHash, formerKeyHash]
}
