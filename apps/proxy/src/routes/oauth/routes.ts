/**
 * The doors of the gateway's own authorization server, at the root and below the name of a server: the same server behind all of
 * them, under an issuer each. They need no credential of the gateway, but for `/introspect`.
 */
import type { Logger } from '@toolgate/core'
import { type Context, Hono, type MiddlewareHandler } from 'hono'
import { cors } from 'hono/cors'
import type { AppEnv } from '../../app-env.ts'
import { bodyLimit } from '../../middleware/body-limit.ts'
import { routeNotFound } from '../../middleware/errors.ts'
import { type OauthEndpoint, oauthEndpointOf } from '../../oauth-endpoint.ts'
import type { LiveConfig } from '../../reload/live-config.ts'
import { originRules, refuseForeignHost } from '../mcp/origin.ts'
import { createAuthorizeDoor } from './authorize.ts'
import { type ClientDoorServices, createClientDoors, type Door } from './client-doors.ts'
import { type ConnectDoor, type ConnectServices, createConnectDoor } from './connect.ts'
import { showOwnClient } from './own-addresses.ts'
import { onPages } from './page.ts'
import { createPersonDoor, type PersonDoor, signInCallback } from './person.ts'

export interface OauthServices extends ConnectServices, ClientDoorServices {
  readonly authorizationServer: ClientDoorServices['authorizationServer']
  readonly log: Logger
}

/** Bytes. Nothing that is sent here is longer. */
const maxBodyBytes = 64 * 1024

type Page = (context: Context<AppEnv>) => Promise<Response>
/** What goes wrong is told on a page. */
type Told = (page: Page) => Page

export function oauthRoutes(services: OauthServices) {
  const { authorizationServer: server, publicAddress, live, log } = services
  // Each leads into the other: a client signs in, its user connects an account, and the sign-in goes on.
  const connect = createConnectDoor({
    ...services,
    resume: (...waiting) => authorize.resume(...waiting),
    handOver: (...answered) => authorize.handOver(...answered),
  })
  const person = createPersonDoor({
    server,
    publicAddress,
    agreed: (...waiting) => authorize.agreed(...waiting),
    declined: (...asked) => authorize.declined(...asked),
  })
  const authorize = createAuthorizeDoor({ ...services, server, connectFirst: connect.connectFirst, person })
  const told: Told = (work) => (context) => onPages(context, log, () => work(context))

  const { token, register, revoke, introspect } = createClientDoors(services)
  const agreed: Door = told(authorize.decide)
  const app = new Hono<AppEnv>().route('/', connectRoutes({ connect, person, publicAddress }, live, told))
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

/** Where users connect accounts at servers, and where people come back to. */
function connectRoutes(
  {
    connect,
    person,
    publicAddress,
  }: { readonly connect: ConnectDoor; readonly person: PersonDoor } & Pick<OauthServices, 'publicAddress'>,
  live: OauthServices['live'],
  told: Told,
) {
  return new Hono<AppEnv>()
    .use('/connect', knownHost(live), bodyLimit(maxBodyBytes))
    .use('/connect/:name', knownHost(live))
    .use('/callback', knownHost(live))
    .use('/connect/:server/callback', knownHost(live))
    .use('/connect/:server/client.json', knownHost(live))
    .use(signInCallback, knownHost(live))
    .get(signInCallback, told(person.comeBack))
    .get('/connect/:name', (context) => told(() => connect.show(context, context.req.param('name')))(context))
    .post('/connect', told(connect.decide))
    .get('/callback', told(connect.comeBack))
    .get('/connect/:server/callback', told(connect.comeBack))
    .get('/connect/:server/client.json', (context) =>
      showOwnClient(context, context.req.param('server'), publicAddress),
    )
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
