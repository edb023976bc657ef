/** The doors of the authorization server that clients knock at themselves, without a browser. */
import {
  type AuthorizationServer,
  createRelayedTokens,
  isTrustedRedirect,
  presentedClient,
  single,
} from '@toolgate/auth'
import type { JsonObject } from '@toolgate/core'
import type { Registry } from '@toolgate/manager'
import type { Context } from 'hono'
import type { AppEnv } from '../../app-env.ts'
import { readJsonObject } from '../../json-body.ts'
import { audienceOfResource } from '../../oauth-endpoint.ts'
import type { ClientAddress } from '../../client-address.ts'
import type { PublicAddress } from '../../public-address.ts'
import type { LiveConfig } from '../../reload/live-config.ts'
import type { ConnectServices } from './connect.ts'
import { permitted } from './permitted.ts'
import { readForm } from './form.ts'
import { introspection } from './introspection.ts'

export interface ClientDoorServices extends Pick<ConnectServices, 'gateway' | 'newId'> {
  readonly authorizationServer: AuthorizationServer
  readonly registry: Pick<Registry, 'find'>
  readonly publicAddress: PublicAddress
  readonly clientAddress: ClientAddress
  readonly live: Pick<LiveConfig, 'current'>
}

/** `issuer`: which of our issuers is asked, as a path. */
export type Door = (context: Context<AppEnv>, issuer: string) => Promise<Response>

export function createClientDoors(services: ClientDoorServices) {
  const { authorizationServer: server, publicAddress, clientAddress, live, registry } = services
  const relayed = createRelayedTokens({
    tickets: server.relayTickets,
    serverOf: (id) => registry.find(id),
    async mayUse(consenter, { id, name }, signal) {
      const principal = await server.consenters.look(consenter, signal)
      return principal !== undefined && permitted(principal, name, { ...services, signal })?.id === id
    },
  })
  const authenticated = (context: Context<AppEnv>, form: URLSearchParams) =>
    server.clients.authenticate(presentedClient(context.req.raw.headers, form), {
      address: clientAddress(context),
      signal: context.req.raw.signal,
    })

  const token: Door = async (context, issuer) => {
    const form = await readForm(context)
    const client = await authenticated(context, form)
    const base = publicAddress.of(context)
    const audienceOf = (resource: string) => audienceOfResource(resource, { base, issuer })
    const ofServer = await relayed.exchange({ form, client, audienceOf, signal: context.req.raw.signal })
    return secretAnswer(context, ofServer ?? (await server.tokens.exchange(form, client, audienceOf)))
  }

  const register: Door = async (context) => {
    server.limits.registrations.count(clientAddress(context))
    const { origin } = new URL(publicAddress.of(context))
    const { trustedRedirects } = live.current.environment
    const trusts = (uri: string) => isTrustedRedirect(uri, trustedRedirects, origin)
    return secretAnswer(context, await server.clients.register(await readJsonObject(context), trusts), 201)
  }

  const revoke: Door = async (context) => {
    const form = await readForm(context)
    const client = await authenticated(context, form)
    const shown = single(form, 'token') ?? ''
    const { signal } = context.req.raw
    if (!(await relayed.revoke(shown, client, signal))) await server.issued.revoke(shown, client, signal)
    // RFC 7009 §2.2: the same answer where there was nothing to end.
    return context.body(null, 200)
  }

  const introspect: Door = async (context, issuer) => {
    const form = await readForm(context)
    const { principal, signal } = context.var.caller
    const found = await server.issued.look(single(form, 'token') ?? '', principal, signal)
    return secretAnswer(context, introspection(found, { base: publicAddress.of(context), issuer }))
  }

  return { token, register, revoke, introspect }
}

/** RFC 6749 §5.1: no cache may keep it. */
function secretAnswer(context: Context<AppEnv>, body: JsonObject, status: 200 | 201 = 200): Response {
  context.header('cache-control', 'no-store')
  return context.json(body, status)
}
