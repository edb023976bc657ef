/**
 * Codes and tokens: a code for a person's consent, tokens for a code or for a refresh token, each of which counts once.
 * Whether the person may consent was found out before.
 */
import { type Clock, type JsonObject, Secret } from '@toolgate/core'
import type { OauthCodeRow } from '@toolgate/db'
import { type AuthorizationRequest, single } from './authorization-request.ts'
import type { ClientStore } from './client-store.ts'
import type { OauthClient } from './clients.ts'
import type { Consenter } from './consenters.ts'
import type { Exchanged, GrantStore, Issued, NewAccessToken } from './grant-store.ts'
import { lifetimes } from './lifetimes.ts'
import { oauthError } from './oauth-error.ts'
import { challengeOf, notGranted, overtaken, required } from './token-form.ts'
import { familyOf, hashToken, isToken, newFamily, newRefreshToken, newToken } from './tokens.ts'

/** The one there is: to use MCP servers as the key may that consented. */
export const mcpScope = 'mcp'

export interface TokenIssuer {
  newCode(request: AuthorizationRequest, consenter: Consenter): Promise<Secret>
  /**
   * The token endpoint (RFC 6749 §4.1.3 and §6) for a client that is known to be the one. `audienceOf` as in
   * `AuthorizationContext`. Rejects in the words of OAuth.
   */
  exchange(
    form: URLSearchParams,
    client: OauthClient,
    audienceOf: (resource: string) => string | undefined,
  ): Promise<JsonObject>
}

export interface TokenIssuerOptions {
  readonly store: GrantStore
  readonly clients: Pick<ClientStore, 'touch'>
  readonly clock: Clock
}

export function createTokenIssuer(options: TokenIssuerOptions): TokenIssuer {
  const { store, clients, clock } = options
  return {
    async newCode({ client, redirectUri, codeChallenge, audience }, { keyHash, person }) {
      const code = newToken('code')
      const now = new Date(clock.now())
      const expiresAt = after(clock, lifetimes.codeMs)
      const row = { clientId: client.id, redirectUri, codeChallenge, audience, scope: mcpScope, expiresAt }
      await store.saveCode({ hash: hashToken(code), keyHash, person, ...row }, now)
      if (client.host === undefined) await clients.touch(client.id, now)
      return code
    },
    async exchange(form, client, audienceOf) {
      const kind = required(form, 'grant_type')
      const presented = { form, client, audience: audienceIn(form, audienceOf) }
      if (kind === 'authorization_code') return forCode(presented, options)
      if (kind === 'refresh_token') return forRefreshToken(presented, options)
      throw oauthError('unsupported_grant_type', '"grant_type" must be "authorization_code" or "refresh_token".')
    },
  }
}

interface PresentedGrant {
  readonly form: URLSearchParams
  readonly client: OauthClient
  /** Absent: what the grant is for. */
  readonly audience: string | undefined
}

async function forCode({ form, client, audience }: PresentedGrant, { store, clock }: TokenIssuerOptions) {
  const code = required(form, 'code')
  const redirectUri = required(form, 'redirect_uri')
  const challenge = challengeOf(required(form, 'code_verifier'))
  const { issue, ...tokens } = newTokens(client, clock)
  const exchanged = await store.exchangeCode({
    hash: hashToken(new Secret(code)),
    now: new Date(clock.now()),
    accepts: (row) =>
      row.clientId === client.id &&
      row.redirectUri === redirectUri &&
      new Secret(row.codeChallenge).equals(challenge) &&
      isFor(row, audience),
    issue,
    grantExpiresAt: ({ person }) => after(clock, lifeOfGrant(client, person)),
  })
  return answer(exchanged, tokens)
}

async function forRefreshToken({ form, client, audience }: PresentedGrant, { store, clock }: TokenIssuerOptions) {
  const presented = new Secret(required(form, 'refresh_token'))
  if (!isToken('refresh', presented.reveal())) throw notGranted()
  const family = familyOf(presented)
  const [access, refresh] = [newToken('access'), newRefreshToken(family)]
  const refreshExpiresAt = after(clock, lifetimes.refreshMs)
  const exchanged = await store.rotate({
    familyHash: hashToken(family),
    refreshHash: hashToken(presented),
    now: new Date(clock.now()),
    accepts: (grant) => grant.clientId === client.id && isFor(grant, audience),
    issue: { access: accessRow(access, clock), refreshHash: hashToken(refresh), refreshExpiresAt },
  })
  return answer(exchanged, { access, refresh })
}

function lifeOfGrant({ refreshable }: OauthClient, person: OauthCodeRow['person']): number {
  if (!refreshable) return lifetimes.accessMs
  return person === null ? lifetimes.grantMs : lifetimes.personGrantMs
}

interface Tokens {
  readonly access: Secret
  readonly refresh: Secret | undefined
}

/** Of a new grant, with what is kept of them. */
function newTokens({ refreshable }: OauthClient, clock: Clock): Tokens & { readonly issue: Issued } {
  const access = newToken('access')
  const issued = { access: accessRow(access, clock) }
  if (!refreshable) return { access, refresh: undefined, issue: { ...issued, refresh: undefined } }
  const family = newFamily()
  const refresh = newRefreshToken(family)
  const row = {
    familyHash: hashToken(family),
    refreshHash: hashToken(refresh),
    refreshExpiresAt: after(clock, lifetimes.refreshMs),
  }
  return { access, refresh, issue: { ...issued, refresh: row } }
}

function accessRow(token: Secret, clock: Clock): NewAccessToken {
  return { hash: hashToken(token), issuedAt: new Date(clock.now()), expiresAt: after(clock, lifetimes.accessMs) }
}

function after(clock: Clock, ms: number): Date {
  return new Date(clock.now() + ms)
}

function answer(exchanged: Exchanged, { access, refresh }: Tokens): JsonObject {
  if (exchanged === 'overtaken') throw overtaken()
  if (typeof exchanged === 'string') throw notGranted()
  return {
    access_token: access.reveal(),
    token_type: 'Bearer',
    expires_in: lifetimes.accessMs / 1000,
    scope: exchanged.grant.scope,
    ...(refresh !== undefined && { refresh_token: refresh.reveal() }),
  }
}

function audienceIn(form: URLSearchParams, audienceOf: (resource: string) => string | undefined): string | undefined {
  const resource = single(form, 'resource', 'invalid_target')
  const audience = resource === undefined ? undefined : audienceOf(resource)
  if (resource === undefined || audience !== undefined) return audience
  throw oauthError('invalid_target', '"resource" is no MCP endpoint of this gateway.')
}

/** RFC 8707 §2.2: what the code was given for, where the request says nothing else. */
function isFor({ audience }: Pick<OauthCodeRow, 'audience'>, asked: string | undefined): boolean {
  return asked === undefined || asked === audience
}
