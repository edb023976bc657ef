import { type Clock, type NewId, type Outbound, type Secret } from '@toolgate/core'
import type { Database } from '@toolgate/db'
import type { KeyAdmission } from '../inbound/key-admission.ts'
import type { Sealer } from '../tokens/sealing.ts'
import type { AccessTokens } from './access-tokens.ts'
import { createClientDocuments } from './client-documents.ts'
import { createPostgresClientStore } from './client-store.postgres.ts'
import { createOauthClients, type OauthClients } from './clients.ts'
import type { Consenters } from './consenters.ts'
import type { GrantStore } from './grant-store.ts'
import { createIssuedTokens, type IssuedTokens } from './issued-tokens.ts'
import { createPendingRequests, type PendingRequests } from './pending-requests.ts'
import type { PersonSignIn } from './person-sign-in.ts'
import { createRelayTickets, type RelayTickets } from './relay-tickets.ts'
import { createRateLimit, type RateLimit } from './rate-limit.ts'
import { createSignIn, type SignIn } from './sign-in.ts'
import { createTokenIssuer, type TokenIssuer } from './token-issuer.ts'

/** The gateway as authorization server of its own MCP endpoints: what its doors are made of. */
export interface AuthorizationServer {
  readonly clients: OauthClients
  readonly pending: PendingRequests
  readonly signIn: SignIn
  readonly people: PersonSignIn
  /** Sign-ins of people that are at the identity provider. */
  readonly signingIn: PendingRequests
  readonly consenters: Consenters
  readonly relayTickets: RelayTickets
  readonly tokens: TokenIssuer
  readonly issued: IssuedTokens
  /** By the address of whoever asks. `signIns`: keys that were tried and are none. */
  readonly limits: { readonly registrations: RateLimit; readonly signIns: RateLimit }
}

export interface AuthorizationServerOptions {
  readonly database: Database
  readonly grants: GrantStore
  readonly accessTokens: AccessTokens
  readonly keys: KeyAdmission
  readonly consenters: Consenters
  readonly people: PersonSignIn
  readonly masterKey: Secret
  readonly sealer: Pick<Sealer, 'seal' | 'open'>
  /** For addresses that strangers name. */
  readonly guardedOutbound: Outbound
  readonly clock: Clock
  readonly newId: NewId
}

const limitWindowMs = 60_000

export function createAuthorizationServer(options: AuthorizationServerOptions): AuthorizationServer {
  const { database, grants, accessTokens, keys, consenters, people, clock, newId } = options
  const store = createPostgresClientStore({ database })
  return {
    clients: createOauthClients({
      store,
      readDocument: createClientDocuments({ outbound: options.guardedOutbound, clock }),
      clock,
      newId,
    }),
    pending: createPendingRequests({ sealer: options.sealer, clock, purpose: 'consent' }),
    signIn: createSignIn({ keys, masterKey: options.masterKey }),
    people,
    signingIn: createPendingRequests({ sealer: options.sealer, clock, purpose: 'sign_in' }),
    consenters,
    relayTickets: createRelayTickets({ sealer: options.sealer, clock }),
    tokens: createTokenIssuer({ store: grants, clients: store, clock }),
    issued: createIssuedTokens({
      store: grants,
      accessTokens,
      principalOf: consenters.look,
      clock,
    }),
    limits: {
      registrations: createRateLimit({ clock, windowMs: limitWindowMs, perKey: 30, forAll: 300 }),
      signIns: createRateLimit({ clock, windowMs: limitWindowMs, perKey: 20 }),
    },
  }
}
