import { generateKeyPairSync, verify } from 'node:crypto'
import { startRawMcpServer, type RawMcpServer } from '@toolgate/testing/mcp-raw'
import { type OauthServer, startOauthServer } from '@toolgate/testing/oauth-server'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { boot, type Booted, recordingLog } from '../boot.ts'
import { verifies } from '../verifies.ts'

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const pem = privateKey.export({ type: 'pkcs8', format: 'pem' })

let idp: OauthServer
let stranger: OauthServer
let upstream: RawMcpServer
let gateway: Booted
const log = recordingLog()

const at = (path: string) => new URL(path, upstream.url).href
const flow = { auth_type: 'oauth2', oauth2_flow: 'client_credentials' }
const withKey = { ...flow, client_private_key: pem, client_private_key_id: 'key-1' }
const withSecret = { ...flow, client_secret: 'the-client-secret' }
/** Each server is a client of its own, by its name. */
const named = (servers: Record<string, object>) =>
  Object.fromEntries(
    Object.entries(servers).map(([name, server]) => [name, { ...server, url: at(`/${name}`), client_id: name }]),
  )

/** What each server says of itself, by its path (RFC 9728), and where its authorization server is. */
const resources = (): Record<string, object> => ({
  '/keyed': { resource: at('/keyed'), authorization_servers: [`${idp.origin}/tenant`] },
  '/secret': { resource: at('/secret'), authorization_servers: [`${idp.origin}/tenant`] },
  '/other': { resource: 'https://other.example/mcp', authorization_servers: [`${idp.origin}/tenant`] },
  '/mixed': { resource: at('/mixed'), authorization_servers: [`${stranger.origin}/mixed`] },
})

beforeAll(async () => {
  idp = await startOauthServer()
  stranger = await startOauthServer()
  upstream = await startRawMcpServer(({ method, path, headers }) => {
    const document = resources()[path.replace('/.well-known/oauth-protected-resource', '')]
    if (method === 'GET' && document !== undefined) return { body: document }
    if (method === 'GET') return { status: 404 }
    return headers.authorization?.startsWith('Bearer token-') === true ? undefined : { status: 401 }
  })
  const metadata = { issuer: `${idp.origin}/tenant`, token_endpoint: idp.tokenUrl }
  idp.documents.set('/.well-known/oauth-authorization-server/tenant', metadata)
  idp.documents.set('/oidc/.well-known/openid-configuration', { ...metadata, issuer: `${idp.origin}/oidc` })
  stranger.documents.set('/.well-known/oauth-authorization-server/mixed', metadata)
  gateway = await boot({
    log,
    config: {
      general_settings: { mcp_allowed_private_networks: ['127.0.0.0/8'] },
      mcp_servers: named({
        keyed: { ...withKey },
        given: { ...withKey, token_url: idp.tokenUrl, audience: 'the-audience' },
        secret: { ...withSecret },
        trusted: { ...withSecret, issuer: `${idp.origin}/oidc/` },
        other: { ...withKey },
        mixed: { ...withKey },
        nowhere: { ...withKey },
        unfit: { ...withKey, token_url: idp.tokenUrl, client_assertion_signing_alg: 'RS256' },
        bad: { ...withKey, client_private_key: 'canary-no-key', token_url: idp.tokenUrl },
      }),
    },
  })
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  for (const server of [idp, stranger, upstream]) await server[Symbol.asyncDispose]()
})

const call = (server: string, status = 200) =>
  gateway.json('/mcp-rest/tools/call', { body: { server_id: server, name: 'echo', arguments: {} }, status })
/** What this client asked the token endpoint. */
const formOf = (client: string) =>
  Object.fromEntries(idp.requests.find(({ form }) => form.get('client_id') === client)?.form ?? [])

const decoded = (part: string): Record<string, unknown> => JSON.parse(Buffer.from(part, 'base64url').toString())

describe('a client that proves itself with a key', () => {
  verifies('m2m:client-proof', 'signs an assertion for this endpoint alone, and sends no secret', async () => {
    await call('given')
    const form = formOf('given')
    expect(form).toMatchObject({
      grant_type: 'client_credentials',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      audience: 'the-audience',
    })
    const [head = '', body = '', signature = ''] = String(form['client_assertion']).split('.')
    const key = { key: publicKey, dsaEncoding: 'ieee-p1363' } as const
    expect(verify('sha256', Buffer.from(`${head}.${body}`), key, Buffer.from(signature, 'base64url'))).toBe(true)
    expect(decoded(head)).toMatchObject({ alg: 'ES256', kid: 'key-1' })
    const { exp, iat, ...claims } = decoded(body)
    expect(claims).toEqual({ iss: 'given', sub: 'given', aud: idp.tokenUrl, jti: expect.any(String) })
    expect(Number(exp) - Number(iat)).toBe(60)
    expect(idp.requests.map(({ raw }) => raw).join()).not.toContain('PRIVATE KEY')
  })

  verifies(
    'm2m:client-proof',
    'with a key that is none is set aside, and with one that does not fit says so',
    async () => {
      expect(log.lines.filter((line) => line.includes('server left out'))).toEqual([
        expect.stringContaining('mcp_servers.bad.client_private_key must be a private key'),
      ])
      expect(log.lines.join()).not.toContain('canary-no-key')
      const answer = await call('unfit', 502)
      expect(answer).toMatchObject({ detail: { error: 'upstream_token_unavailable', server: 'unfit' } })
      expect(JSON.stringify(answer)).toContain('client_assertion_signing_alg')
    },
  )
})

describe('a token endpoint that is not given', () => {
  verifies('m2m:discovery', 'is found through the metadata of the server and of its authorization server', async () => {
    await call('keyed')
    expect(formOf('keyed')).toMatchObject({ resource: at('/keyed') })
    // Where it says who it is, an assertion is for that.
    const [, claims = ''] = String(formOf('keyed')['client_assertion']).split('.')
    expect(decoded(claims)).toMatchObject({ aud: `${idp.origin}/tenant` })
    expect(upstream.received('tools/call').at(-1)).toMatchObject({ path: '/keyed' })
    // Known from now on.
    const metadataRequests = () => upstream.requests.filter(({ method }) => method === 'GET').length
    const before = metadataRequests()
    await call('keyed')
    expect(metadataRequests()).toBe(before)
  })

  verifies(
    'm2m:discovery',
    'is asked of the issuer that the operator names, in the layout of OpenID Connect',
    async () => {
      await call('trusted')
      expect(formOf('trusted')).toMatchObject({ client_secret: 'the-client-secret' })
    },
  )

  verifies(
    'm2m:discovery',
    'gets no secret where only the MCP server names it, and none that is somebody else’s',
    async () => {
      for (const [server, reason] of [
        ['secret', 'a client secret is not sent there'],
        ['other', 'speaks of another resource'],
        ['mixed', 'is that of another authorization server'],
        ['nowhere', 'publishes none'],
      ]) {
        const answer = await call(server ?? '', 502)
        expect(answer).toMatchObject({ detail: { error: 'upstream_token_unavailable', server } })
        expect(JSON.stringify(answer)).toContain(reason)
      }
      expect(stranger.requests).toEqual([])
      const secrets = idp.requests.filter(({ raw }) => raw.includes('the-client-secret'))
      expect(secrets.length).toBeLessThanOrEqual(1)
    },
  )
})
