import type { Caller } from './caller.ts'
import type { GatewayError } from './errors.ts'
import type { MaybePromise } from './maybe-promise.ts'
import type { OutboundRequest } from './outbound.ts'
import type { Secret } from './secret.ts'
import type { ServerDefinition } from './server.ts'

/**
 * What the gateway presents at one upstream for one caller.
 */
export interface Credential {
  /** How it was come by, for logs and traces: `none`, `caller`, `client_credentials`, `bearer_token`, … */
  readonly type: string
  /** Whose it is. Part of the key of everything that is kept because of it. */
  readonly scope: Scope
  /** Header name (lower-case) → value; sent with each request, never kept by a connection. */
  headers(): ReadonlyMap<string, Secret>
  /** What whose it is has set of the server's variables; a process is started with them. Absent: none. */
  variables?(): ReadonlyMap<string, Secret>
  /**
   * The upstream refused it, with this HTTP status and this `WWW-Authenticate` where they are known. Drops whatever was cached for it and says whether resolving
   * again can yield another one: only then is the call tried a second time.
   */
  rejected(status?: number, challenge?: string): boolean
  /** A page on which whose it is can connect an account at the server. Absent, or undefined: there is none. */
  connectUrl?(): string | undefined
  /** What whose it is learns where the server refuses it and no other is to be had. Absent, or undefined: that there is a sign-in to do. */
  refusal?(): GatewayError | undefined
}

/**
 * `shared`: the same for everybody. Otherwise it belongs to one holder: a principal, joined by a keyed digest where the
 * caller brought a credential of its own on a key that is not bound to one user.
 */
export type Scope = { readonly kind: 'shared' } | { readonly kind: 'holder'; readonly holder: string }

export const sharedScope: Scope = { kind: 'shared' }

/** Resolves what to present; the one order of precedence lives behind this port (`packages/auth/src/upstream`). */
export interface CredentialSource {
  /**
   * For a call or list on behalf of a caller. `onlyServer`: the request names this server and no other, so what it brought
   * without saying for whom is for this one.
   */
  forCaller(server: ServerDefinition, caller: Caller, request: { readonly onlyServer: boolean }): Promise<Credential>
  /** For discovery and health, where there is no caller. */
  forDiscovery(server: ServerDefinition, signal: AbortSignal): Promise<Credential>
}

/**
 * One server's declared way to authenticate: the product of an upstream-auth plug.
 * It answers for the gateway's own credential only; what callers bring comes first and is not its business.
 */
export interface UpstreamAuth {
  readonly type: string
  /** How what it presents is come by, for whoever asks why: `m2m-client-credentials`, … Absent: it was configured as it is. */
  readonly resolution?: string
  /** True where the caller's own `Authorization` is what this server wants. */
  readonly forwardsAuthorization: boolean
  /** True where only a user's token opens the server; discovery then reports `needs_auth`. */
  readonly needsUserToken: boolean
  /** Nothing to present is an answer (`undefined`). Rejects with a {@link GatewayError} that names the server. */
  present(request: PresentRequest): MaybePromise<PresentedCredential | undefined>
  /** Whether this caller brings a token that can be exchanged for one of this server. Absent: it exchanges none. */
  exchanges?(caller: Caller): boolean
  /**
   * Proves each request as it is sent, bytes and all, where what is presented is no more than a mark. Requests without the mark
   * pass as they are.
   */
  sign?(request: OutboundRequest): Promise<OutboundRequest>
  /** Where users may have tokens of their own, kept here: how they get and lose them. */
  readonly userTokens?: UserTokenAccess | undefined
  /** Where each user has a key of its own, kept here, in the place of a configured one. */
  readonly userKey?: UserSecretAccess | undefined
  /** Where users keep their tokens themselves: how their client gets one. */
  readonly relay?: SignInRelay | undefined
  /** A bare value of a caller's, written into the header as the method writes its own. Absent: as `Authorization`. */
  writeValue?(value: Secret): ReadonlyMap<string, Secret>
}

export interface PresentRequest {
  readonly server: ServerDefinition
  /** Absent for discovery and health: what is presented then is `shared`. */
  readonly caller: Caller | undefined
  readonly signal: AbortSignal
}

export interface PresentedCredential {
  readonly type: string
  /** Whose it is, apart from what the caller brings beside it. */
  readonly scope: Scope
  readonly headers: ReadonlyMap<string, Secret>
  /** As {@link Credential.rejected}. */
  rejected(status?: number, challenge?: string): boolean
}

/** How the gateway is known to a server's authorization server. */
export interface RegisteredClient {
  /**
   * Browsers come back to an address of this server alone: it registers itself with that one, or the operator says so. Else it is
   * one that other servers have too.
   */
  readonly ownCallback: boolean
  /** Where it is registered, as far as the operator says. */
  readonly authorizationServer: string | undefined
}

/** Addresses of the gateway that a server's authorization server is told. */
export interface OwnAddresses {
  /** Where browsers come back to. */
  readonly redirectUri: string
  /** Describes a client with that address, whose id it is (CIMD). Absent: it would not be read. */
  readonly document?: string | undefined
}

/** Tokens of users at one server. `owner` is a principal's id; whoever asks has seen to it that it is the asker's. */
export interface UserTokenAccess extends RegisteredClient {
  /** What tokens are kept for, as a digest: those that are kept for another one are none. */
  identityOf(server: ServerDefinition): string
  /** Undefined where there are none. */
  status(server: ServerDefinition, owner: string): Promise<UserTokenStatus | undefined>
  /** False where there were none. */
  remove(server: ServerDefinition, owner: string): Promise<boolean>
  /** Keeps tokens that the user has got elsewhere. */
  keep(user: UserAtServer, tokens: GivenTokens): Promise<UserTokenStatus>
  /** Where to send the user's browser, which comes back to one of these addresses. */
  begin(user: UserAtServer, own: OwnAddresses): Promise<SignInLeg>
  /** The browser is back. Rejects where the answer is not the one to this question. */
  finish(user: UserAtServer, answer: SignInAnswer): Promise<void>
}

/** What users hand over for one server as it is: values go in and are never told. `owner` as of {@link UserTokenAccess}. */
export interface UserSecretAccess {
  /** As of {@link UserTokenAccess}. */
  identityOf(server: ServerDefinition): string
  /** Undefined where there is none. */
  read(server: ServerDefinition, owner: string): Promise<HeldSecret | undefined>
  /** Puts what `next` makes of the former one in its place. */
  keep(user: Pick<UserAtServer, 'server' | 'owner'>, next: (former: Secret | undefined) => Secret): Promise<void>
  /** False where there was none. */
  remove(server: ServerDefinition, owner: string): Promise<boolean>
}

export interface HeldSecret {
  /** Another one each time that it is handed over. */
  readonly id: string
  readonly secret: Secret
  readonly keptAt: Date
}

export interface UserAtServer {
  readonly server: ServerDefinition
  readonly owner: string
  readonly signal: AbortSignal
}

export interface UserTokenStatus {
  /** Null: the server did not say. */
  readonly expiresAt: Date | null
  readonly isExpired: boolean
  /** They were refused, or have ended and cannot be replaced; nothing but a new sign-in helps. */
  readonly needsSignIn: boolean
  readonly connectedAt: Date
  readonly scopes: readonly string[]
}

export interface GivenTokens {
  readonly access: Secret
  readonly refresh: Secret | undefined
  readonly lifetimeMs: number | undefined
  readonly scopes: readonly string[]
}

/**
 * How a client gets a token of a server's own by way of the gateway, which keeps none. What `kept` holds is sealed by whoever hands
 * it out, and comes back.
 */
export interface SignInRelay extends RegisteredClient {
  begin(at: ServerAsked, own: OwnAddresses): Promise<SignInLeg>
  /** Undefined where the server gives nothing for this answer, or not any more. */
  finish(at: ServerAsked, answer: SignInAnswer): Promise<RelayedTokens | undefined>
  /** Undefined where the refresh token was refused for good. */
  refresh(at: ServerAsked, token: RelayedRefreshToken): Promise<RelayedTokens | undefined>
  /** Has the server end it (RFC 7009). False where the server takes no token back: then it goes on. */
  revoke(at: ServerAsked, token: RelayedRefreshToken): Promise<boolean>
}

/** As it was handed out in {@link RelayedTokens}. */
export interface RelayedRefreshToken {
  readonly refresh: Secret
  readonly kept: string
}

export interface ServerAsked {
  readonly server: ServerDefinition
  readonly signal: AbortSignal
}

export interface RelayedTokens {
  readonly access: Secret
  readonly refresh: Secret | undefined
  readonly lifetimeMs: number | undefined
  readonly scopes: readonly string[] | undefined
  /** For the next refresh. */
  readonly kept: string
}

export interface SignInLeg {
  /** Without `state`, which is for whoever sends the browser there. */
  readonly url: string
  /** To be handed back; it holds a secret. */
  readonly kept: string
}

export interface SignInAnswer {
  readonly code: string
  readonly iss: string | undefined
  readonly kept: string
}
