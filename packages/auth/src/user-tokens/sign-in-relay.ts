/**
 * Sign-ins at a server's authorization server on behalf of a client of the gateway: the gateway is the client there, with PKCE of
 * its own, and hands on what it gets. It keeps nothing; what it needs again travels with the client, sealed by whoever calls this.
 */
import type { RelayedTokens, ServerDefinition, SignInRelay } from '@toolgate/core'
import { z } from 'zod'
import { identityOf } from './token-identity.ts'
import { tokenPartySchema } from './token-party.ts'
import {
  type ReceivedTokens,
  registeredClient,
  type SignInAt,
  type UpstreamClient,
  type UserTokenClient,
} from './upstream-client.ts'

const partySchema = z.object({ identity: z.string(), party: tokenPartySchema })
const legSchema = partySchema.extend({ verifier: z.string(), redirectUri: z.string() })
type Party = z.output<typeof partySchema>

export function createSignInRelay(client: UserTokenClient, upstream: UpstreamClient): SignInRelay {
  const at = ({ name, address }: ServerDefinition): SignInAt => ({ name, address, client })
  const relayed = (got: ReceivedTokens | undefined, { identity, party }: Party): RelayedTokens | undefined =>
    got && { ...got, kept: JSON.stringify({ identity, party }) }

  return {
    ...registeredClient(client),
    async begin({ server, signal }, own) {
      const { party, url, verifier } = await upstream.start(at(server), own, signal)
      const kept = { identity: identityOf(server, client), party, verifier, redirectUri: own.redirectUri }
      return { url, kept: JSON.stringify(kept) }
    },
    async finish({ server, signal }, { code, iss, kept }) {
      const leg = legSchema.parse(JSON.parse(kept))
      // The server is another than the one that was asked.
      if (leg.identity !== identityOf(server, client)) return undefined
      const answer = { code, iss, verifier: leg.verifier, redirectUri: leg.redirectUri }
      return relayed(await upstream.finish(answer, { at: at(server), party: leg.party }, signal), leg)
    },
    async refresh({ server, signal }, { refresh, kept }) {
      const known = partySchema.parse(JSON.parse(kept))
      if (known.identity !== identityOf(server, client)) return undefined
      return relayed(await upstream.refresh(refresh, { at: at(server), party: known.party }, signal), known)
    },
    async revoke({ server, signal }, { refresh, kept }) {
      const { identity, party } = partySchema.parse(JSON.parse(kept))
      if (identity !== identityOf(server, client)) return false
      return upstream.revoke(refresh, { at: at(server), party }, signal)
    },
  }
}
