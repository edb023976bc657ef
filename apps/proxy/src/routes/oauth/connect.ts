/**
 * Where a user connects an account at a server: a page that takes the user's key, a leg to the server's authorization server, and
 * the way back. The gateway is the client there; what it gets is the user's, and no client of the gateway ever sees it.
 */
import {
  type Authenticate,
  type AuthorizationServer,
  type Consenter,
  oauthError,
  ownerOf,
  type PendingRequests,
  signedInPersonSchema,
} from '@toolgate/auth'
import {
  GatewayError,
  type NewId,
  type Principal,
  Secret,
  type SignInAnswer,
  type UserTokenAccess,
} from '@toolgate/core'
import type { Gateway, ManagedServer, Registry } from '@toolgate/manager'
import type { Context } from 'hono'
import type { AppEnv } from '../../app-env.ts'
import { mcpEndpointOf } from '../../mcp-endpoint.ts'
import type { ClientAddress } from '../../client-address.ts'
import type { PublicAddress } from '../../public-address.ts'
import { browserOf, markBrowser, refuseForeignForm } from './browser.ts'
import { connectedPage, connectPage, leavePage } from './connect-pages.ts'
import { readForm } from './form.ts'
import { ownAddresses } from './own-addresses.ts'
import { showPage, unlessTooMany } from './page.ts'
import { tryKey } from './key-tries.ts'
import { isOfEveryServer, onlySignIn, permitted, permittedAt } from './permitted.ts'

export interface ConnectServices {
  readonly authenticate: Authenticate
  readonly gateway: Pick<Gateway, 'select'>
  readonly registry: Pick<Registry, 'find'>
  readonly connecting: {
    readonly pages: PendingRequests
    readonly legs: PendingRequests
  }
  readonly publicAddress: PublicAddress
  readonly clientAddress: ClientAddress
  readonly newId: NewId
  readonly authorizationServer: Pick<AuthorizationServer, 'consenters' | 'limits'>
}

/** A sign-in of an MCP client that waits until its user has connected an account. */
export interface WaitingSignIn {
  readonly parameters: URLSearchParams
  readonly issuer: string
  readonly consenter: Consenter
}

export interface ConnectDoor {
  readonly show: (context: Context<AppEnv>, server: string) => Promise<Response>
  /** The form of the page. */
  readonly decide: (context: Context<AppEnv>) => Promise<Response>
  /** From the server's authorization server. */
  readonly comeBack: (context: Context<AppEnv>) => Promise<Response>
  /** The way to the server, where this endpoint is of one at which the user has yet to sign in; else undefined. */
  readonly connectFirst: (
    context: Context<AppEnv>,
    waiting: WaitingSignIn & { readonly audience: string },
  ) => Promise<Response | undefined>
}

export interface ConnectOptions extends ConnectServices {
  /** Goes on with a sign-in that waited; `false`: the user did not connect. */
  readonly resume: (context: Context<AppEnv>, waiting: WaitingSignIn, connected: boolean) => Promise<Response>
  /** Goes on with one that waited for a server's own token, which is for the client to fetch. */
  readonly handOver: (context: Context<AppEnv>, waiting: WaitingSignIn, answer: RelayedAnswer) => Promise<Response>
}

/** What came back from a server's authorization server. */
export interface RelayedAnswer {
  readonly server: string
  readonly code: string
  readonly iss: string | undefined
  readonly kept: string
}

export function createConnectDoor(options: ConnectOptions): ConnectDoor {
  const { authenticate, connecting, publicAddress } = options
  const { pages } = connecting

  const show = async (context: Context<AppEnv>, server: string, fault?: GatewayError) => {
    const browser = markBrowser(context, publicAddress.of(context))
    const pending = await pages.seal({ parameters: new URLSearchParams({ server }), issuer: '' }, browser)
    const action = `${publicAddress.rootPath}/connect`
    const page = connectPage({ server, pending, fault: fault && forEyes(fault), action })
    return showPage(context, { ...page, ...unlessTooMany(fault) })
  }

  return {
    show,
    async decide(context) {
      const base = publicAddress.of(context)
      refuseForeignForm(context, base)
      const form = await readForm(context)
      const { parameters } = await pages.open(form.get('request') ?? '', browserOf(context, base))
      const named = parameters.get('server') ?? ''
      try {
        const { signal } = context.req.raw
        const { signIns } = options.authorizationServer.limits
        const shown = new Secret(form.get('key')?.trim() ?? '')
        const principal = await tryKey(signIns, options.clientAddress(context), () => authenticate(shown, signal))
        if (principal.source === 'oauth') throw notInPerson()
        const owner = requireOwner(principal)
        const server = permitted(principal, named, { ...options, signal })
        if (server === undefined) throw notPermitted(named)
        return await leave(context, { server, owner, consenter: consenterOf(principal) }, options)
      } catch (error) {
        if (!(error instanceof GatewayError) || error.blame !== 'caller') throw error
        return show(context, named, error)
      }
    },
    comeBack: createComingBack(options),
    async connectFirst(context, { audience, ...waiting }) {
      const { signal } = context.req.raw
      const { consenter } = waiting
      const principal = await options.authorizationServer.consenters.admit(consenter, signal)
      const owner = principal && ownerOf(principal)
      if (principal === undefined || owner === undefined) return undefined
      const endpoint = mcpEndpointOf(audience)
      const isForAll = endpoint !== undefined && isOfEveryServer(endpoint)
      const server = isForAll
        ? onlySignIn(principal, { ...options, signal })
        : permittedAt(endpoint, principal, { ...options, signal })
      if (server === undefined) return undefined
      const leaving = { server, owner, consenter, waiting }
      if (server.auth.relay !== undefined) return leave(context, leaving, options)
      if (server.auth.userTokens === undefined) return undefined
      const status = await server.auth.userTokens.status(server, owner)
      if (status?.needsSignIn === false) return undefined
      return isForAll ? leaveIfPossible(context, leaving, options) : leave(context, leaving, options)
    },
  }
}

/** Of a key that is none API clients are told more than a person wants to read. */
function forEyes({ code, message }: GatewayError): string {
  return code === 'CREDENTIAL_INVALID' || code === 'CREDENTIAL_MISSING' ? 'There is no such key here.' : message
}

/** Undefined for the token of an identity provider, which says itself how long it counts. */
function consenterOf({ source, keyHash }: Principal): Consenter | undefined {
  return source === 'virtual_key' ? { keyHash, person: null } : undefined
}

function consenterIn(leg: URLSearchParams): Consenter | undefined {
  const [keyHash, person] = [leg.get('key'), leg.get('person')]
  if (keyHash === null) return undefined
  return { keyHash, person: person === null ? null : signedInPersonSchema.parse(JSON.parse(person)) }
}

/** A key can be deleted or blocked while its holder is away, and what it may use be changed: nobody would find what is kept for it then. */
async function isStill(
  { server, owner, consenter }: Leaving,
  options: ConnectServices,
  signal: AbortSignal,
): Promise<boolean> {
  if (consenter === undefined) return true
  const principal = await options.authorizationServer.consenters.look(consenter, signal)
  const isTheirs = principal !== undefined && ownerOf(principal) === owner
  return isTheirs && permitted(principal, server.name, { ...options, signal })?.id === server.id
}

/** The server is asked for seconds, in which as much can happen. Where nobody can be asked about the key, the account stays. */
async function finish(
  leaving: Leaving,
  answer: SignInAnswer,
  { options, signal }: { readonly options: ConnectServices; readonly signal: AbortSignal },
): Promise<void> {
  const { server, owner } = leaving
  const access = accessOf(server)
  await access.finish({ server, owner, signal }, answer)
  // The account is there by now, also where the browser has left.
  if (await isStill(leaving, options, new AbortController().signal)) return
  await access.remove(server, owner)
  throw changedMeanwhile()
}

function changedMeanwhile(): GatewayError {
  return oauthError('access_denied', 'Your key, or what it may use, was changed meanwhile. Start again.')
}

/** The answer of a server's authorization server, for whatever waited for it. */
function createComingBack(options: ConnectOptions): ConnectDoor['comeBack'] {
  const { publicAddress, registry, resume, handOver } = options
  const { legs } = options.connecting
  return async (context) => {
    const { searchParams } = new URL(context.req.url)
    const browser = browserOf(context, publicAddress.of(context))
    const { parameters: leg, issuer } = await legs.open(searchParams.get('state') ?? '', browser)
    const [id = '', owner = '', kept = ''] = ['server', 'owner', 'kept'].map((name) => leg.get(name) ?? '')
    requireWayBack(context, leg.has('own') ? id : undefined)
    const [then, consenter] = [leg.get('then'), consenterIn(leg)]
    const waiting =
      then === null || consenter === undefined
        ? undefined
        : { parameters: new URLSearchParams(then), issuer, consenter }
    const code = searchParams.get('code')
    if (code === null && waiting !== undefined) return resume(context, waiting, leg.has('optional'))
    if (code === null) throw oauthError('access_denied', 'The server did not let you in, or you said no there.')
    const server = registry.find(id)
    if (server === undefined) throw oauthError('invalid_request', 'The server is not there any more.')
    const { signal } = context.req.raw
    const leaving = { server, owner, consenter }
    if (!(await isStill(leaving, options, signal))) throw changedMeanwhile()
    const iss = searchParams.get('iss') ?? undefined
    if (waiting !== undefined && leg.has('relay')) return handOver(context, waiting, { server: id, code, iss, kept })
    await finish(leaving, { code, iss, kept }, { options, signal })
    return waiting === undefined ? showPage(context, connectedPage(server.name)) : resume(context, waiting, true)
  }
}

interface Leaving {
  readonly server: ManagedServer
  readonly owner: string
  readonly consenter: Consenter | undefined
  readonly waiting?: WaitingSignIn
  /** What waits goes on without it as well. */
  readonly isOptional?: boolean
}

/** Nobody's sign-in at everything hangs on one server: where that cannot be asked, its calls will say so. */
async function leaveIfPossible(
  context: Context<AppEnv>,
  leaving: Leaving,
  options: ConnectServices,
): Promise<Response | undefined> {
  try {
    return await leave(context, { ...leaving, isOptional: true }, options)
  } catch (error) {
    if (error instanceof GatewayError) return undefined
    throw error
  }
}

/** Where the person goes on to: a link and no redirect, so that the page's policy need not know where that is. */
async function leave(
  context: Context<AppEnv>,
  { server, owner, consenter, waiting, isOptional = false }: Leaving,
  { publicAddress, connecting }: ConnectServices,
): Promise<Response> {
  const base = publicAddress.of(context)
  const { signal } = context.req.raw
  const { relay } = server.auth
  const { ownCallback: own } = relay ?? accessOf(server)
  const back = own ? ownAddresses(base, server.id) : { redirectUri: `${base}/callback` }
  const { url, kept } =
    relay === undefined
      ? await accessOf(server).begin({ server, owner, signal }, back)
      : await relay.begin({ server, signal }, back)
  const parameters = new URLSearchParams({ server: server.id, owner, kept, ...(relay !== undefined && { relay: '' }) })
  if (own) parameters.set('own', '')
  if (isOptional) parameters.set('optional', '')
  if (waiting !== undefined) parameters.set('then', waiting.parameters.toString())
  if (consenter !== undefined) parameters.set('key', consenter.keyHash)
  if (consenter?.person != null) parameters.set('person', JSON.stringify(consenter.person))
  const leg = { parameters, issuer: waiting?.issuer ?? '' }
  const target = new URL(url)
  const state = await connecting.legs.seal(leg, markBrowser(context, base))
  target.searchParams.set('state', state)
  const without = new URLSearchParams({ error: 'access_denied', state })
  const onward = isOptional ? `${back.redirectUri}?${without.toString()}` : undefined
  return showPage(context, leavePage({ server: server.name, target, onward }))
}

/**
 * RFC 9700 §4.4.2.2: an authorization server that says nothing of itself (`iss`) is told by the address that only it knows, so that
 * the code of one server does not reach another.
 */
function requireWayBack(context: Context<AppEnv>, server: string | undefined): void {
  if (context.req.param('server') === server) return
  throw oauthError('invalid_request', 'This is the answer of another server than the one that was asked. Start again.')
}

function notPermitted(named: string): GatewayError {
  return new GatewayError('SERVER_NOT_FOUND', `The key is not allowed to use a server named "${named}".`)
}

/** What an application was let in with must not be enough to connect an account of its own in the name of whoever let it in. */
function notInPerson(): GatewayError {
  return oauthError('invalid_request', 'This is the token of an application. Sign in with a key of your own.')
}

export function requireOwner(principal: Principal): string {
  const owner = ownerOf(principal)
  if (owner !== undefined) return owner
  throw oauthError('invalid_request', 'The master key is nobody in particular: connect with a virtual key of your own.')
}

export function accessOf({ auth, name }: ManagedServer): UserTokenAccess {
  if (auth.userTokens !== undefined) return auth.userTokens
  throw oauthError('invalid_request', `Server "${name}" keeps no tokens of users: its auth_type is ${auth.type}.`)
}
