/**
 * Users' own tokens at servers, by user and server: sealed at rest, refreshed before they expire and once after a server
 * refused them. A token of one server is presented there and nowhere else, and one that was got for what the server was before
 * a change of its address or client is none any more.
 */
import {
  type Clock,
  type Logger,
  type NewId,
  type PresentedCredential,
  type PresentRequest,
  type Principal,
  Secret,
  type ServerDefinition,
  type SignInRelay,
  type UserTokenAccess,
  type UserTokenStatus,
} from '@toolgate/core'
import type { UserTokenRow } from '@toolgate/db'
import type { Sealer } from '../tokens/sealing.ts'
import { createTokenRefresh, type TokenRefresh } from './token-refresh.ts'
import { createHeldSecrets, type HeldSecrets } from './held-secrets.ts'
import { createKnownTokens } from './known-tokens.ts'
import { createSignOut } from './sign-out.ts'
import { createSignInRelay } from './sign-in-relay.ts'
import { identityOf } from './token-identity.ts'
import { createTokenSeal, type OpenTokens } from './token-seal.ts'
import { createUserSignIn } from './user-sign-in.ts'
import { createWantedScopes, type WantedScopes } from './wanted-scopes.ts'
import { registeredClient, type SignInAt, type UpstreamClient, type UserTokenClient } from './upstream-client.ts'
import { gatheredReads } from './gathered-reads.ts'
import type { UserTokenMemory } from './user-token-memory.ts'
import type { TokenHolder, UserTokenStore } from './user-token-store.ts'

export interface UserTokens {
  /** For a server whose operator says this about its authorization server. */
  of(
    client: UserTokenClient,
  ): UserTokenAccess & { present(request: PresentRequest): Promise<PresentedCredential | undefined> }
  /** For a server whose users keep their tokens themselves. */
  relay(client: UserTokenClient): SignInRelay
  /** For what users hand over as it is. */
  readonly held: HeldSecrets
}

export interface UserTokensOptions {
  readonly store: UserTokenStore
  readonly memory: UserTokenMemory
  readonly upstream: UpstreamClient
  readonly sealer: Pick<Sealer, 'seal' | 'open'>
  readonly clock: Clock
  readonly newId: NewId
  /** Of what happens behind calls. */
  readonly log: Logger
  /** Milliseconds before its end from which a token is replaced. */
  readonly expiryBufferMs: number
}

/** A token, and where it is from. */
export interface KnownTokens {
  readonly row: UserTokenRow
  readonly tokens: OpenTokens
}

/** Everything about the tokens of one server and one set of what its operator says. */
export interface TokenContext {
  readonly at: SignInAt
  readonly holder: TokenHolder
  /** Of the server, as `identityOf` says it. */
  readonly identity: string
}

export function createUserTokens(options: UserTokensOptions): UserTokens {
  const { store, memory, clock } = options
  const seal = createTokenSeal(options.sealer)
  const refresh = createTokenRefresh({ ...options, seal, forget: memory.forget, expect: memory.expect })
  const wanted = createWantedScopes({ ...options, expect: memory.expect })
  const signOut = createSignOut({ ...options, seal })
  const signIn = createUserSignIn({ ...options, seal, wanted })

  const { find } = gatheredReads(store)
  const known = createKnownTokens({ store: { find }, seal, memory })
  const usable = createUsableTokens({ known, refresh })
  const statusOf = (row: UserTokenRow): UserTokenStatus => ({
    expiresAt: row.expiresAt,
    needsSignIn: refresh.isSpent(row),
    connectedAt: row.connectedAt,
    scopes: row.scopes,
    isExpired: row.expiresAt !== null && row.expiresAt.getTime() <= clock.now(),
  })

  return {
    relay: (client) => createSignInRelay(client, options.upstream),
    held: createHeldSecrets({ ...options, seal, known }),
    of: (client) => {
      const contextOf = (server: ServerDefinition, owner: string): TokenContext => ({
        at: { name: server.name, address: server.address, client },
        holder: { owner, serverId: server.id },
        identity: identityOf(server, client),
      })
      return {
        ...registeredClient(client),
        identityOf: (server) => identityOf(server, client),
        async present({ server, caller, signal }) {
          const owner = caller && ownerOf(caller.principal)
          if (owner === undefined) return undefined
          const context = contextOf(server, owner)
          const known = await usable(context, signal)
          return known && presented(known, context, { refused: refresh.refused, wanted })
        },
        async status(server, owner) {
          const row = await find({ owner, serverId: server.id })
          return row?.identity === identityOf(server, client) ? statusOf(row) : undefined
        },
        remove: (server, owner) => signOut(contextOf(server, owner)),
        async keep({ server, owner, signal }, tokens) {
          const context = contextOf(server, owner)
          const row = await signIn.keep(context, tokens, signal)
          memory.forget(context.holder)
          return statusOf(row)
        },
        begin: ({ server, owner, signal }, own) => signIn.begin(contextOf(server, owner), own, signal),
        async finish({ server, owner, signal }, answer) {
          const context = contextOf(server, owner)
          await signIn.finish(context, answer, signal)
          memory.forget(context.holder)
        },
      }
    },
  }
}

interface UsableTokensOptions {
  readonly known: ReturnType<typeof createKnownTokens>
  readonly refresh: TokenRefresh
}

/** The tokens of a holder that can be presented now; undefined where there is a sign-in to do. */
function createUsableTokens({ known: read, refresh }: UsableTokensOptions) {
  return async (context: TokenContext, signal: AbortSignal): Promise<KnownTokens | undefined> => {
    const known = await read(context.holder, context.identity)
    return known && refresh.current(known, context, signal)
  }
}

/** Many people may hold the master key: nobody's token is kept for it. */
export function ownerOf({ source, id }: Principal): string | undefined {
  return source === 'master_key' || source === 'gateway' ? undefined : id
}

function presented(
  { row, tokens }: KnownTokens,
  context: TokenContext,
  { refused, wanted }: { readonly refused: TokenRefresh['refused']; readonly wanted: WantedScopes },
): PresentedCredential {
  const { holder } = context
  return {
    type: 'oauth2_user',
    // Who connects anew may be somebody else there; who only gets a new token is not.
    scope: { kind: 'holder', holder: `${holder.owner}#${row.id}` },
    headers: new Map([['authorization', new Secret(`Bearer ${tokens.access.reveal()}`)]]),
    rejected(status, challenge) {
      if (status === 403) wanted.note(row, challenge)
      return refused(row, context, status)
    },
  }
}
