/**
 * How a user's tokens come about: the browser is sent to the server's authorization server and comes back with a code, or a
 * user hands over tokens that it has. What has to be known when the browser comes back is whoever's who sent it: it holds a
 * secret, so it travels sealed, and bound to that browser, so that nobody has a stranger's account connected to somebody else.
 */
import {
  type Clock,
  GatewayError,
  type GivenTokens,
  type NewId,
  type OwnAddresses,
  type SignInAnswer,
  type SignInLeg,
} from '@toolgate/core'
import type { UserTokenRow } from '@toolgate/db'
import { z } from 'zod'
import { boundedLifetime, endOf } from './token-lifetime.ts'
import { tokenPartySchema } from './token-party.ts'
import type { OpenTokens, TokenSeal } from './token-seal.ts'
import type { UpstreamClient } from './upstream-client.ts'
import type { UserTokenStore } from './user-token-store.ts'
import type { TokenContext } from './user-tokens.ts'
import type { WantedScopes } from './wanted-scopes.ts'

export interface UserSignIn {
  begin(context: TokenContext, own: OwnAddresses, signal: AbortSignal): Promise<SignInLeg>
  finish(context: TokenContext, answer: SignInAnswer, signal: AbortSignal): Promise<void>
  keep(context: TokenContext, tokens: GivenTokens, signal: AbortSignal): Promise<UserTokenRow>
}

export interface UserSignInOptions {
  readonly store: UserTokenStore
  readonly upstream: UpstreamClient
  readonly seal: TokenSeal
  readonly wanted: Pick<WantedScopes, 'beyond'>
  readonly clock: Clock
  readonly newId: NewId
}

interface Got {
  readonly tokens: OpenTokens
  readonly scopes: readonly string[]
}

const legSchema = z.object({
  identity: z.string(),
  party: tokenPartySchema,
  verifier: z.string(),
  redirectUri: z.string(),
})

export function createUserSignIn({ store, upstream, seal, wanted, clock, newId }: UserSignInOptions): UserSignIn {
  const save = async ({ at, holder, identity }: TokenContext, { tokens, scopes }: Got) =>
    store.save(holder, async () => ({
      id: newId('user_token'),
      serverName: at.name,
      identity,
      sealed: await seal.seal(tokens, holder),
      scopes: [...scopes],
      expiresAt: endOf(tokens.lifetimeMs, clock.now()),
      refreshable: tokens.refresh !== undefined && tokens.party !== undefined,
      connectedAt: new Date(clock.now()),
    }))

  return {
    async begin({ at, holder, identity }, own, signal) {
      const former = await store.find(holder)
      const more = former?.identity === identity ? wanted.beyond(former) : []
      const { party, url, verifier } = await upstream.start(at, { ...own, scopes: more }, signal)
      return { url, kept: JSON.stringify({ identity, party, verifier, redirectUri: own.redirectUri }) }
    },
    async finish(context, { code, iss, kept }, signal) {
      const { identity, party, verifier, redirectUri } = legSchema.parse(JSON.parse(kept))
      if (identity !== context.identity) {
        throw new GatewayError('INVALID_REQUEST', 'The server was changed meanwhile. Start again.')
      }
      const answer = { code, iss, verifier, redirectUri }
      const got = await upstream.finish(answer, { at: context.at, party }, signal)
      if (got === undefined) {
        throw new GatewayError('INVALID_REQUEST', `"${context.at.name}" gave no token for this answer. Start again.`)
      }
      const { access, refresh, lifetimeMs, scopes = [] } = got
      await save(context, { tokens: { access, refresh, lifetimeMs, party }, scopes })
    },
    async keep(context, { access, refresh, scopes, ...given }, signal) {
      const lifetimeMs = boundedLifetime(given.lifetimeMs)
      const party = refresh === undefined ? undefined : await upstream.partyOf(context.at, signal)
      return save(context, { tokens: { access, refresh, lifetimeMs, party }, scopes })
    },
  }
}
