/**
 * The doors of the gateway's own authorization server, at the root and below the name of a server: the same server behind all of
 * them, under an issuer each. They need no credential of the gateway, but for `/introspect`.
 */
import { type AuthorizationServer, isTrustedRedirect, presentedClient, single } from '@toolgate/auth'
import type { JsonObject, Logger } from '@toolgate/core'
import { type Context, Hono, type MiddlewareHandler } from 'hono'
import { cors } from 'hono/cors'
import type { AppEnv } from '../../app-env.ts'
import { readJsonObject } from '../../json-body.ts'
import { bodyLimit } from '../../middleware/body-limit.ts'
import { routeNotFound } from '../../middleware/errors.ts'
import { audienceOfResource, type OauthEndpoint, oauthEndpointOf } from '../../oauth-endpoint.ts'
import type { LiveConfig } from '../../reload/live-config.ts'
import { originRules, refuseForeignHost } from '../mcp/origin.ts'
import { createAuthorizeDoor } from './authorize.ts'
import { type ConnectDoor, type ConnectServices, createConnectDoor } from './connect.ts'
import { readForm } from './form.ts'
import { introspection } from './introspection.ts'
import { onPages } from './page.ts'
import { addressOf } from './peer-address.ts'

export interface OauthServices extends ConnectServices {
  readonly authorizationServer: AuthorizationServer
  readonly live: Pick<LiveConfig, 'current'>
  readonly log: Logger
}

/** Bytes. Nothing that is sent here is longer. */
const maxBodyBytes = 64 * 1024

type Door = (context: Context<AppEnv>, issuer: string) => Promise<Response>
type Page = (context: Context<AppEnv>) => Promise<Response>
/** What goes wrong is told on a page. */
type Told = (page: Page) => Page

export function oauthRoutes(services: OauthServices) {
  const { authorizationServer: server, publicAddress, live, log } = services
  // Each leads into the other: a client signs in, its user connects an account, and the sign-in goes on.
  const connect = createConnectDoor({ ...services, resume: (...waiting) => authorize.resume(...waiting) })
  const authorize = createAuthorizeDoor({ ...services, server, connectFirst: connect.connectFirst })
  const told: Told = (work) => (context) => onPages(context, log, () => work(context))

  const token: Door = async (context, issuer) => {
    const form = await readForm(context)
    const client = await authenticated(context, form)
    const base = publicAddress.of(context)
    const audienceOf = (resource: string) => audienceOfResource(resource, { base, issuer })
    return secretAnswer(context, await server.tokens.exchange(form, client, audienceOf))
  }

  const register: Door = async (context) => {
    server.limits.registrations.count(addressOf(context))
    const { origin } = new URL(publicAddress.of(context))
    const { trustedRedirects } = live.current.environment
    const trusts = (uri: string) => isTrustedRedirect(uri, trustedRedirects, origin)
    return secretAnswer(context, await server.clients.register(await readJsonObject(context), trusts), 201)
  }

  const revoke: Door = async (context) => {
    const form = await readForm(context)
    const client = await authenticated(context, form)
    await server.issued.revoke(single(form, 'token') ?? '', client, context.req.raw.signal)
    // RFC 7009 §2.2: the same answer where there was nothing to end.
    return context.body(null, 200)
  }

  const introspect: Door = async (context, issuer) => {
    const form = await readForm(context)
    const { principal, signal } = context.var.caller
    const found = await server.issued.look(single(form, 'token') ?? '', principal, signal)
    return secretAnswer(context, introspection(found, { base: publicAddress.of(context), issuer }))
  }

  const authenticated = (context: Context<AppEnv>, form: URLSearchParams) =>
    server.clients.authenticate(presentedClient(context.req.raw.headers, form), context.req.raw.signal)

  const agreed: Door = told(authorize.decide)
  const app = new Hono<AppEnv>().route('/', connectRoutes(connect, live, told))
  for (const at of ['', '/:server']) {
    const doors: readonly (readonly [path: string, door: Door])[] = [
      [`${at}/authorize`, agreed],
      [`${at}/token`, token],
      [`${at}/register`, register],
      [`${at}/revoke`, revoke],
      [`${at}/introspect`, introspect],
    ]
    for (const [path, door] of doors) {
      app.use(path, onlyHere, knownHost(live), bodyLimit(maxBodyBytes))
      // Pages of others may ask here, as programs do: nothing is decided by who the browser is.
      if (door !== agreed && door !== introspect) app.use(path, cors())
      app.post(path, (context) => door(context, issuerOf(context)))
    }
    app.get(
      `${at}/authorize`,
      told((context) => authorize.show(context, issuerOf(context))),
    )
  }
  return app
}

/** Where users connect accounts at servers. */
function connectRoutes(connect: ConnectDoor, live: OauthServices['live'], told: Told) {
  return new Hono<AppEnv>()
    .use('/connect', knownHost(live), bodyLimit(maxBodyBytes))
    .use('/connect/:name', knownHost(live))
    .use('/callback', knownHost(live))
    .get('/connect/:name', (context) => told(() => connect.show(context, context.req.param('name')))(context))
    .post('/connect', told(connect.decide))
    .get('/callback', told(connect.comeBack))
}

function endpointOf(context: Context<AppEnv>): OauthEndpoint | undefined {
  return oauthEndpointOf(context.req.path)
}

function issuerOf(context: Context<AppEnv>): string {
  return endpointOf(context)?.issuer ?? ''
}

/** What only looks like one of these paths, such as `/v1/token`. */
const onlyHere: MiddlewareHandler<AppEnv> = async function onlyHere(context, next) {
  if (endpointOf(context) === undefined) return routeNotFound(context)
  return next()
}

/** As at the MCP endpoints: a name that somebody bound to this machine is none of ours. */
function knownHost(live: Pick<LiveConfig, 'current'>): MiddlewareHandler<AppEnv> {
  return async function knownHost(context, next) {
    refuseForeignHost(context, originRules(live))
    return next()
  }
}

/** RFC 6749 §5.1: no cache may keep it. */
function secretAnswer(context: Context<AppEnv>, body: JsonObject, status: 200 | 201 = 200): Response {
  context.header('cache-control', 'no-store')
  return context.json(body, status)
}
