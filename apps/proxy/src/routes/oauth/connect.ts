/**
 * Where a user connects an account at a server: a page that takes the user's key, a leg to the server's authorization server, and
 * the way back. The gateway is the client there; what it gets is the user's, and no client of the gateway ever sees it.
 */
import { type Authenticate, oauthError, ownerOf, type PendingRequests, type RateLimit } from '@toolgate/auth'
import {
  GatewayError,
  type Logger,
  type NewId,
  nothingForwarded,
  type Principal,
  Secret,
  silentPeer,
  type UserTokenAccess,
} from '@toolgate/core'
import type { Gateway, ManagedServer, Registry } from '@toolgate/manager'
import { type Context, Hono } from 'hono'
import type { AppEnv } from '../../app-env.ts'
import { bodyLimit } from '../../middleware/body-limit.ts'
import type { PublicAddress } from '../../public-address.ts'
import type { LiveConfig } from '../../reload/live-config.ts'
import { originRules, refuseForeignHost } from '../mcp/origin.ts'
import { browserOf, markBrowser, refuseForeignForm } from './browser.ts'
import { connectedPage, connectPage, leavePage } from './connect-pages.ts'
import { readForm } from './form.ts'
import { onPages, showPage } from './page.ts'
import { addressOf } from './peer-address.ts'

export interface ConnectServices {
  readonly authenticate: Authenticate
  readonly gateway: Pick<Gateway, 'select'>
  readonly registry: Pick<Registry, 'find'>
  readonly connecting: {
    readonly pages: PendingRequests
    readonly legs: PendingRequests
    readonly signIns: RateLimit
  }
  readonly publicAddress: PublicAddress
  readonly live: Pick<LiveConfig, 'current'>
  readonly newId: NewId
  readonly log: Logger
}

const maxBodyBytes = 64 * 1024

export function connectRoutes(services: ConnectServices) {
  const { authenticate, connecting, publicAddress } = services
  const { pages, legs } = connecting

  const show = async (context: Context<AppEnv>, server: string, fault?: string) => {
    const base = publicAddress.of(context)
    const pending = await pages.seal(
      { parameters: new URLSearchParams({ server }), issuer: '' },
      markBrowser(context, base),
    )
    return showPage(context, connectPage({ server, pending, fault, action: `${publicAddress.rootPath}/connect` }))
  }

  /** Where the person goes on to: a link and no redirect, so that the page's policy need not know where that is. */
  const leave = async (context: Context<AppEnv>, named: string, key: Secret) => {
    const { signal } = context.req.raw
    const principal = await authenticate(key, signal)
    const owner = requireOwner(principal)
    const server = permitted(principal, named, { ...services, signal })
    const base = publicAddress.of(context)
    const { url, kept } = await accessOf(server).begin({ server, owner, signal }, `${base}/callback`)
    const parameters = new URLSearchParams({ server: server.id, owner, kept })
    const state = await legs.seal({ parameters, issuer: '' }, markBrowser(context, base))
    const target = new URL(url)
    target.searchParams.set('state', state)
    return showPage(context, leavePage({ server: server.name, target }))
  }

  const decide = async (context: Context<AppEnv>) => {
    const base = publicAddress.of(context)
    refuseForeignForm(context, base)
    const form = await readForm(context)
    const { parameters } = await pages.open(form.get('request') ?? '', browserOf(context, base))
    const server = parameters.get('server') ?? ''
    try {
      connecting.signIns.count(addressOf(context))
      return await leave(context, server, new Secret(form.get('key')?.trim() ?? ''))
    } catch (error) {
      if (!(error instanceof GatewayError) || error.blame !== 'caller') throw error
      return show(context, server, error.message)
    }
  }

  const comeBack = async (context: Context<AppEnv>) => {
    const base = publicAddress.of(context)
    const { searchParams } = new URL(context.req.url)
    const { parameters } = await legs.open(searchParams.get('state') ?? '', browserOf(context, base))
    const code = searchParams.get('code')
    if (code === null) throw oauthError('access_denied', 'The server did not let you in, or you said no there.')
    const [id = '', owner = '', kept = ''] = ['server', 'owner', 'kept'].map((name) => parameters.get(name) ?? '')
    const server = services.registry.find(id)
    if (server === undefined) throw oauthError('invalid_request', 'The server is not there any more.')
    const iss = searchParams.get('iss') ?? undefined
    await accessOf(server).finish({ server, owner, signal: context.req.raw.signal }, { code, iss, kept })
    return showPage(context, connectedPage(server.name))
  }

  const checked = checkedPages(services)
  return new Hono<AppEnv>()
    .use('/connect', bodyLimit(maxBodyBytes))
    .get('/connect/:server', (context) => checked((page) => show(page, context.req.param('server')))(context))
    .post('/connect', checked(decide))
    .get('/callback', checked(comeBack))
}

/** Told on pages, and under names that are ours. */
function checkedPages({ live, log }: Pick<ConnectServices, 'live' | 'log'>) {
  return (work: (context: Context<AppEnv>) => Promise<Response>) => (context: Context<AppEnv>) =>
    onPages(context, log, () => {
      refuseForeignHost(context, originRules(live))
      return work(context)
    })
}

/** What this key may use, by the name that the link has. What it may not use reads like what does not exist. */
function permitted(
  principal: Principal,
  named: string,
  { gateway, newId, signal }: Pick<ConnectServices, 'gateway' | 'newId'> & { readonly signal: AbortSignal },
): ManagedServer {
  const request = { requestId: newId('req'), traceId: newId('trace'), door: 'oauth' }
  const caller = { principal, forwarded: nothingForwarded, signal, request, peer: silentPeer }
  const [server] = gateway.select(caller, [named]).servers
  if (server !== undefined) return server
  throw new GatewayError('SERVER_NOT_FOUND', `The key is not allowed to use a server named "${named}".`)
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
