import {
  type Caller,
  type CallerScope,
  createCallerScope,
  type Credential,
  type CredentialSource,
  type Forwarded,
  GatewayError,
  joinScopes,
  type Logger,
  type PresentedCredential,
  Secret,
  type ServerDefinition,
  sharedScope,
} from '@toolgate/core'
import { type CredentialPlan, planOf, withUserToken, withVariables } from './credential-plan.ts'
import { gatewayKeyHeader } from '../inbound/presented.ts'
import { identifiesCaller, isForwardableHeader } from './header-names.ts'
import { environmentValues, filledStaticHeaders } from './request-templates.ts'
import { createServerHeaders, serverHeaderName } from './server-headers.ts'
import { writeBareValue } from './static-value.ts'
import { userKeyMissing, userKeyRefused } from './user-key.ts'
import { noVariables, requiredVariables, type SetVariables, userVariablesRefused } from './user-variables.ts'

/**
 * What the gateway presents at one server for one caller. The one place with the order of precedence:
 *
 * 1. what this request brought for this very server: `x-mcp-{alias}-*`, joined by `Authorization` where the server declares
 *    that it wants the caller's; only without both, and only on a request for one server, the deprecated `x-mcp-auth`;
 * 2. what the server's method presents: a client-credentials token, the token that the user has there, or the static credential.
 *
 * The second is left out as soon as there is any of the first (trace ids aside): a caller must not add headers of its choice
 * to a request that carries the gateway's credential. The operator may: `extra_headers` and allow-listed cookies ride along with either, and
 * `static_headers` win over everything. Nothing is given to two servers, and nothing else of a request goes upstream.
 */
export interface CredentialSourceOptions {
  /** Aliases and names of every known server; see {@link createServerHeaders}. */
  readonly prefixes: () => readonly string[]
  readonly log: Logger
  readonly scopeOf?: CallerScope
  /** The page on which a user signs in at this server. */
  readonly connectUrl?: (server: ServerDefinition) => string
  /** Where a user sets a key of its own, or variables, for this server. */
  readonly setupUrl?: SetupUrl
}

export interface ExplainedCredentialSource extends CredentialSource {
  /** What `forCaller` would present, without asking anybody for a token; of the user's account it asks the store. */
  plan(server: ServerDefinition, caller: Caller, request: { readonly onlyServer: boolean }): Promise<CredentialPlan>
}

export type SetupUrl = (server: ServerDefinition, what: 'user-credential' | 'user-env-vars') => string

type Headers = ReadonlyMap<string, Secret>

const nothing: Headers = new Map()

/** The later one wins. Of most calls only one holds anything, and is not copied. */
function joined(...parts: readonly Headers[]): Headers {
  const filled = parts.filter(({ size }) => size > 0)
  const [first = nothing, ...more] = filled
  return more.length === 0 ? first : new Map(filled.flatMap((part) => [...part]))
}

export function createCredentialSource(options: CredentialSourceOptions): ExplainedCredentialSource {
  const { prefixes, log, scopeOf = createCallerScope(), connectUrl, setupUrl } = options
  const serverHeaders = createServerHeaders(prefixes)

  const variablesFor = (server: ServerDefinition, caller: Caller | undefined) =>
    requiredVariables(server, caller, setupUrl && ((of) => setupUrl(of, 'user-env-vars')))

  /** Order 1. */
  const broughtFor = (server: ServerDefinition, { forwarded }: Caller, onlyServer: boolean): Headers => {
    const named = serverHeaders.broughtFor(server, forwarded.serverHeaders)
    const brought = joined(declaredAuthorization(server, forwarded), named)
    if (brought.size > 0 || forwarded.legacyAuth === undefined) return brought
    if (onlyServer) return writeBareValue(server.auth, forwarded.legacyAuth)
    log.debug({ server: server.name }, 'x-mcp-auth is not used: the request is not for one server only')
    return brought
  }

  return {
    async forCaller(server, caller, { onlyServer }) {
      const { signal } = caller
      const brought = broughtFor(server, caller, onlyServer)
      const isBrought = identifying(server, brought).length > 0
      const presented = isBrought ? undefined : server.auth.present({ server, caller, signal })
      const own = presented instanceof Promise ? await presented : presented
      if (own === undefined && !isBrought && server.auth.userKey !== undefined) {
        throw userKeyMissing(server, setupUrl?.(server, 'user-credential'))
      }
      // Most servers declare none, and then there is nothing to wait for.
      const variables = server.userVariables === undefined ? noVariables : await variablesFor(server, caller)
      return assemble({ server, caller, own, brought, variables, scopeOf, connectUrl, setupUrl })
    },
    async plan(server, caller, { onlyServer }) {
      const all = broughtFor(server, caller, onlyServer)
      const brought = identifying(server, all)
      const declared = declaredAuthorization(server, caller.forwarded)
      const byName = brought.some(([name, value]) => declared.get(name) !== value)
      const fromCaller = identifying(server, callerHeaders(server, caller.forwarded, all))
      const plan = planOf(server, { brought, byName, fromCaller })
      const { principal } = caller
      const exchanged = brought.length === 0 && server.auth.exchanges?.(caller) === true
      const planned: CredentialPlan = exchanged
        ? { ...plan, source: 'exchanged_token', resolution: server.auth.resolution ?? plan.resolution }
        : await withUserToken(plan, { server, principal, brought })
      return withVariables(planned, { server, principal })
    },
    async forDiscovery(server, signal) {
      const auth = server.discoveryAuth ?? server.auth
      const { values } = await variablesFor(server, undefined)
      const written = filledStaticHeaders(server, undefined, values)
      environmentValues(server, undefined, values)
      const own = await auth.present({ server, caller: undefined, signal })
      if (own === undefined && auth.userKey !== undefined) {
        throw userKeyMissing(server, setupUrl?.(server, 'user-credential'))
      }
      if (own === undefined && auth.needsUserToken) requireStaticAuthorization(server, connectUrl)
      const headers = joined(own?.headers ?? nothing, written.headers)
      return {
        type: gatewayType(server, own),
        scope: own?.scope ?? sharedScope,
        headers: () => headers,
        rejected: (...answer) => own?.rejected(...answer) ?? false,
      }
    },
  }
}

function declaredAuthorization({ auth, extraHeaders }: ServerDefinition, { authorization }: Forwarded): Headers {
  const declared = auth.forwardsAuthorization || extraHeaders.has('authorization')
  return declared && authorization !== undefined ? new Map([['authorization', authorization]]) : nothing
}

function extraHeaders({ extraHeaders }: ServerDefinition, { headers }: Forwarded): Headers {
  if (extraHeaders.size === 0) return nothing
  const copied = new Map<string, Secret>()
  for (const name of extraHeaders) {
    // These two come apart from the others, each by a rule of its own.
    if (name === 'authorization' || name === 'cookie' || !isForwardableHeader(name)) continue
    const value = headers.get(name)
    if (value !== undefined) copied.set(name, value)
  }
  return copied
}

/** One `Cookie` header (RFC 6265 §5.4) of the listed cookies, or of all where the operator lists the header itself. */
function cookieHeader({ cookieNames, extraHeaders }: ServerDefinition, { cookies }: Forwarded): Headers {
  if (cookies.size === 0) return nothing
  const pairs = [...cookies]
    .filter(([name]) => cookieNames.has(name) || extraHeaders.has('cookie'))
    .map(([name, value]) => `${name}=${value.reveal()}`)
  return pairs.length === 0 ? nothing : new Map([['cookie', new Secret(pairs.join('; '))]])
}

/** Those of a caller's headers that will really be sent and say whose request it is. */
function identifying({ staticHeaders }: ServerDefinition, fromCaller: Headers): readonly [string, Secret][] {
  return [...fromCaller].filter(([name]) => identifiesCaller(name) && !staticHeaders.has(name))
}

/** Everything of a caller's that may go to this server; what was brought for it by name wins. */
function callerHeaders(server: ServerDefinition, forwarded: Forwarded, brought: Headers): Headers {
  return joined(extraHeaders(server, forwarded), cookieHeader(server, forwarded), brought)
}

interface Assembly {
  readonly server: ServerDefinition
  readonly caller: Caller
  readonly own: PresentedCredential | undefined
  readonly brought: Headers
  readonly variables: SetVariables
  readonly scopeOf: CallerScope
  readonly connectUrl: CredentialSourceOptions['connectUrl']
  readonly setupUrl: SetupUrl | undefined
}

function assemble({ server, caller, own, brought, variables, scopeOf, connectUrl, setupUrl }: Assembly): Credential {
  const { forwarded, principal } = caller
  const written = filledStaticHeaders(server, caller, variables.values)
  const kept = environmentValues(server, caller, variables.values)
  const fromCaller = callerHeaders(server, forwarded, brought)
  const brings = identifying(server, fromCaller).map(([name, value]) => `${name}: ${value.reveal()}`)
  const identity = [...brings, ...written.identity]
  if (own === undefined && identity.length === 0 && server.auth.needsUserToken) {
    requireStaticAuthorization(server, connectUrl)
  }
  const headers = joined(own?.headers ?? nothing, fromCaller, written.headers)
  const presented = joinScopes(own?.scope ?? sharedScope, variables.scope)
  const scope = joinScopes(presented, scopeOf(caller, identity.toSorted()))
  return {
    type: own === undefined && identity.length > 0 ? 'caller' : gatewayType(server, own),
    // Also for one user: a process keeps what it was started with, and headers are sent anew each time.
    scope: kept.length > 0 ? scopeOf({ principal: { ...principal, userId: undefined } }, kept) : scope,
    headers: () => headers,
    variables: () => variables.values,
    // What a caller brought comes again with its next request only.
    rejected: (...answer) => own?.rejected(...answer) ?? false,
    connectUrl: () => pageOf(server, connectUrl),
    refusal() {
      if (own !== undefined && server.auth.userKey !== undefined) {
        return userKeyRefused(server, setupUrl?.(server, 'user-credential'))
      }
      const isTheirs = own === undefined && brings.length === 0 && variables.values.size > 0
      return isTheirs ? userVariablesRefused(server, setupUrl?.(server, 'user-env-vars')) : undefined
    },
  }
}

function gatewayType({ staticHeaders }: ServerDefinition, own: PresentedCredential | undefined): string {
  return own?.type ?? (staticHeaders.size > 0 ? 'static_headers' : 'none')
}

/** The operator may have written the credential as a plain header; without one the server is closed to this request. */
function requireStaticAuthorization(server: ServerDefinition, connectUrl: CredentialSourceOptions['connectUrl']): void {
  if (server.staticHeaders.has('authorization')) return
  const named = `Send it as "${serverHeaderName(server, 'authorization')}"`
  const forwarded =
    server.auth.forwardsAuthorization || server.auth.exchanges !== undefined
      ? `, or as "Authorization" with the gateway's key in "${gatewayKeyHeader}"`
      : ''
  const url = pageOf(server, connectUrl)
  const signIn = url === undefined ? '' : ` Or sign in there once: ${url}`
  throw new GatewayError(
    'UPSTREAM_SIGN_IN_REQUIRED',
    `Server "${server.name}" needs a credential of your own and none was brought. ${named}${forwarded}.${signIn}`,
    { details: { server: server.name, stage: 'credential', ...(url !== undefined && { connect_url: url }) } },
  )
}

/** Only where accounts of users are kept. */
function pageOf(server: ServerDefinition, connectUrl: CredentialSourceOptions['connectUrl']): string | undefined {
  return server.auth.userTokens === undefined ? undefined : connectUrl?.(server)
}
