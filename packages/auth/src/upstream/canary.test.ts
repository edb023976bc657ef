import { inspect } from 'node:util'
import {
  createCallerScope,
  createOutbound,
  GatewayError,
  type Logger,
  nothingForwarded,
  Secret,
  type ServerDefinition,
} from '@toolgate/core'
import { callerOf } from '@toolgate/testing/callers'
import { startOauthServer } from '@toolgate/testing/oauth-server'
import { expect, it } from 'vitest'
import { createClientCredentials } from '../tokens/client-credentials.ts'
import { createTokenExchange } from '../tokens/token-exchange.ts'
import { serverDefinition } from '@toolgate/testing/server-definition'
import { upstreamAuthMethods } from './index.ts'
import { createCredentialSource } from './resolve.ts'

/** Every secret there is in this story, and the only party that may ever see it. */
const parties = {
  'canary-client-secret': 'token endpoint',
  'canary-minted': 'm2m',
  'canary-static-value': 'static',
  'canary-static-header': 'static',
  'canary-named-header': 'named',
  'canary-forwarded': 'delegate',
  'canary-extra': 'm2m',
  'canary-listed-cookie': 'm2m',
  'canary-unlisted-cookie': 'nobody',
  'canary-unlisted-header': 'nobody',
  'canary-legacy': 'nobody',
  'canary-unknown-server': 'nobody',
} as const

it('each secret reaches exactly its one party, and no log, error, scope or printed object', async () => {
  await using endpoint = await startOauthServer()
  endpoint.answer(() => ({ body: { access_token: 'canary-minted', token_type: 'Bearer', expires_in: 60 } }))
  const lines: string[] = []
  const write = (fields: object, message: string) => void lines.push(`${inspect(fields, { depth: 9 })} ${message}`)
  const log: Logger = { debug: write, info: write, warn: write, error: write }
  const tokens = createClientCredentials({ outbound: createOutbound() })

  const auth = (type: string, settings: object = {}) => {
    const bound = upstreamAuthMethods.get(type)?.bind(settings)
    if (!bound?.ok) throw new TypeError(`settings of ${type} are wrong`)
    return bound.create({
      tokens,
      exchange: createTokenExchange({ outbound: createOutbound() }),
      outbound: createOutbound(),
      report: (_level, message) => void lines.push(message),
    })
  }
  const client = { token_url: endpoint.tokenUrl, client_id: 'id', client_secret: 'canary-client-secret' }
  const servers: ServerDefinition[] = [
    serverDefinition({
      name: 'm2m',
      auth: auth('oauth2', client),
      extraHeaders: new Set(['x-extra']),
      cookieNames: new Set(['listed']),
    }),
    serverDefinition({
      name: 'static',
      auth: auth('bearer_token', { auth_value: 'canary-static-value' }),
      staticHeaders: new Map([['x-static', new Secret('canary-static-header')]]),
    }),
    serverDefinition({ name: 'named', auth: auth('api_key') }),
    serverDefinition({ name: 'delegate', auth: auth('oauth_delegate') }),
    serverDefinition({ name: 'open' }),
    serverDefinition({ name: 'closed', auth: auth('basic') }),
  ]
  const source = createCredentialSource({ prefixes: () => servers.map(({ name }) => name), log })
  const caller = callerOf({
    forwarded: {
      ...nothingForwarded,
      authorization: new Secret('Bearer canary-forwarded'),
      legacyAuth: new Secret('canary-legacy'),
      serverHeaders: new Map([
        ['named-authorization', new Secret('Bearer canary-named-header')],
        ['unknown-authorization', new Secret('Bearer canary-unknown-server')],
      ]),
      headers: new Map([
        ['x-extra', new Secret('canary-extra')],
        ['x-unlisted', new Secret('canary-unlisted-header')],
      ]),
      cookies: new Map([
        ['listed', new Secret('canary-listed-cookie')],
        ['unlisted', new Secret('canary-unlisted-cookie')],
      ]),
    },
  })

  const seenBy = new Map<string, string>()
  for (const server of servers) {
    try {
      const credential = await source.forCaller(server, caller, { onlyServer: false })
      seenBy.set(server.name, [...credential.headers()].map(([name, value]) => `${name}: ${value.reveal()}`).join('\n'))
      lines.push(inspect(credential, { depth: 9 }), JSON.stringify([...credential.headers()]), credential.type)
      lines.push(JSON.stringify(credential.scope), JSON.stringify(createCallerScope()(caller, ['x'])))
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error
      lines.push(inspect(error, { depth: 9 }))
    }
  }
  endpoint.answer(() => ({ status: 400, body: { error_description: 'canary-minted' } }))
  const rotated = serverDefinition({ name: 'm2m', auth: auth('oauth2', { ...client, audience: 'other' }) })
  await source.forDiscovery(rotated, caller.signal).catch((error: unknown) => lines.push(inspect(error, { depth: 9 })))
  seenBy.set('token endpoint', endpoint.requests.map(({ raw }) => raw).join('\n'))

  const reached = (secret: string) => [...seenBy].filter(([, text]) => text.includes(secret)).map(([party]) => party)
  for (const [secret, party] of Object.entries(parties)) {
    expect([secret, reached(secret)]).toEqual([secret, party === 'nobody' ? [] : [party]])
  }
  expect(lines.join('\n')).toContain('UPSTREAM_SIGN_IN_REQUIRED')
  expect(lines.join('\n')).toContain('UPSTREAM_TOKEN_UNAVAILABLE')
  expect(lines.join('\n')).not.toContain('canary-')
})
