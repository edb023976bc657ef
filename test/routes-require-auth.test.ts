import { isPublicPath } from '@toolgate/proxy'
import { startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { boot, type Booted, recordingLog } from './boot.ts'
import { verifies } from './verifies.ts'

/** The whole list of what needs no credential: a path that joins it must be written down here as well. */
const publicRoutes = [
  'GET /',
  'GET /.well-known/*',
  'GET /:server/authorize',
  'GET /authorize',
  'GET /callback',
  'GET /connect/:name',
  'GET /connect/:server/callback',
  'GET /connect/:server/client.json',
  'GET /health/drain',
  'GET /health/liveliness',
  'GET /health/liveness',
  'GET /health/readiness',
  'GET /openapi.json',
  'GET /sso/callback',
  'GET /test',
  'OPTIONS /health/liveliness',
  'OPTIONS /health/liveness',
  'OPTIONS /health/readiness',
  'POST /:server/authorize',
  'POST /:server/register',
  'POST /:server/revoke',
  'POST /:server/token',
  'POST /authorize',
  'POST /connect',
  'POST /register',
  'POST /revoke',
  'POST /token',
]
/** What only an administrator may do. */
const adminRoutes = [
  'GET /health',
  'GET /health/backlog',
  'GET /health/history',
  'GET /health/latest',
  'GET /key/aliases',
  'GET /key/list',
  'GET /metrics',
  'POST /config/reload',
  'POST /health/test_connection',
  'POST /key/:key/regenerate',
  'POST /key/:key/reset_spend',
  'POST /key/block',
  'POST /key/bulk_update',
  'POST /key/delete',
  'POST /key/generate',
  'POST /key/regenerate',
  'POST /key/service-account/generate',
  'POST /key/unblock',
  'POST /key/update',
]

let gateway: Booted
let routes: readonly { readonly name: string; readonly method: string; readonly path: string }[]
let key: string
beforeAll(async () => {
  gateway = await boot()
  key = await gateway.makeKey()
  routes = gateway.app.routes
    .filter(({ method }) => method !== 'ALL')
    .map(({ method, path }) => ({ name: `${method} ${path}`, method, path: path.replace('*', 'some/path') }))
})
afterAll(() => gateway[Symbol.asyncDispose]())

const send = async (
  method: string,
  path: string,
  options: { key: string | null; headers?: Record<string, string> },
) => {
  const response = await gateway.request(path, { method, ...options, ...(method === 'POST' && { body: {} }) })
  const text = await response.text()
  return { status: response.status, text }
}

describe('every route', () => {
  verifies(
    'admin:closed-by-default',
    'without a credential is 401 in LiteLLM’s envelope, but for a short list',
    async () => {
      expect(routes.length).toBeGreaterThan(20)
      const open = []
      for (const { name, method, path } of routes) {
        const { status, text } = await send(method, path, { key: null })
        if (status !== 401) {
          open.push(name)
          continue
        }
        expect([name, JSON.parse(text)]).toEqual([
          name,
          {
            error: {
              message: 'Authentication Error, No api key passed in.',
              type: 'auth_error',
              param: null,
              code: '401',
            },
          },
        ])
      }
      expect(open.toSorted()).toEqual(publicRoutes)
      expect(
        routes
          .filter(({ path }) => isPublicPath(path))
          .map(({ name }) => name)
          .toSorted(),
      ).toEqual(publicRoutes)
    },
  )

  verifies('admin:closed-by-default', 'of the admin API is 403 for a key that is no administrator’s', async () => {
    const closed = []
    for (const { name, method, path } of routes) {
      const { status, text } = await send(method, path, { key })
      expect([name, status]).not.toEqual([name, 401])
      if (status !== 403 || !text.includes('Only proxy admin')) continue
      closed.push(name)
      expect(JSON.parse(text)).toEqual({
        error: {
          message: `Only proxy admin can be used to generate, delete, update info for new keys/users/teams. Route=${path}`,
          type: 'auth_error',
          param: null,
          code: '403',
        },
      })
    }
    expect(closed.toSorted()).toEqual(adminRoutes)
    for (const { method, path } of routes.filter(({ name }) => adminRoutes.includes(name))) {
      expect((await send(method, path, { key: gateway.masterKey })).status).not.toBe(403)
    }
  })

  it('/metrics is open to everyone where the file says so, and nothing else is', async () => {
    const config = { litellm_settings: { require_auth_for_metrics_endpoint: false } }
    await using open = await boot({ config })
    const response = await open.request('/metrics', { key: null })
    expect([response.status, await response.text()]).toEqual([200, expect.stringContaining('toolgate_requests_total')])
    expect((await open.request('/health/backlog', { key: null })).status).toBe(401)
  })

  it.each([
    '/KEY/LIST',
    '/key/list/',
    '//key/list',
    '/./key/list',
    '/.well-known/../key/list',
    '/.well-known/%2e%2e/key/list',
    '/health/readiness/../../key/list',
    '/health/readiness/extra',
    '/openapi.json/x',
    '/openapi.json%2f..%2fkey/list',
    '/%6bey/list',
    '/no/such/route',
    '/v1/token',
    '/key/register',
    '/mcp-rest/token',
    '/health/authorize',
    '/git/introspect/token',
  ])('stays closed under another spelling: %s', async (path) => {
    const { status, text } = await send('GET', path, { key: null })
    // Authentication comes first; only what is no route under a public prefix may say that it is none.
    const refusals = [
      [401, 'auth_error'],
      [404, 'not_found'],
    ]
    expect(refusals).toContainEqual([status, /auth_error|not_found/.exec(text)?.[0]])
  })

  verifies('mcp:endpoints', 'of MCP is never one of the short list, whatever its server is called', async () => {
    await using server = await startRawMcpServer()
    const { url } = server
    const config = { mcp_servers: { connect: { url }, mcp: { url, alias: 'm' } } }
    await using named = await boot({ config })
    const ping = { jsonrpc: '2.0', id: 1, method: 'ping' }
    expect((await named.request('/connect/mcp', { key: null, body: ping })).status).toBe(404)
    expect((await named.request('/connect/mcp', { method: 'DELETE', key: null })).status).toBe(404)
    expect((await named.request('/mcp/connect', { body: ping })).status).toBe(200)
    // The page on which users connect accounts at the server that is called "mcp".
    const page = await named.request('/connect/mcp', { key: null })
    expect(page.headers.get('content-type')).toContain('text/html')
  })

  it('is refused and logged as any other where its Host is no name', async () => {
    const log = recordingLog()
    await using gateway = await boot({ log, env: { HOST: '0.0.0.0' } })
    const refused = await gateway.app.request('http://no!name/mcp', { method: 'POST' })
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, 'Bearer'])
    expect(log.lines.filter((line) => line.includes('"message":"request"'))).toEqual([
      expect.stringContaining('"status":401'),
    ])
  })

  it('is not opened by another method, a method override or a forwarded address', async () => {
    for (const method of ['HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      for (const path of ['/key/list', '/mcp-rest/tools/list', '/v1/chat/completions']) {
        expect([method, path, (await send(method, path, { key: null })).status]).toEqual([method, path, 401])
      }
    }
    const headers = {
      'x-http-method-override': 'GET',
      'x-original-url': '/health/liveliness',
      'x-rewrite-url': '/',
      'x-forwarded-for': '127.0.0.1',
    }
    expect((await send('GET', '/key/list', { key: null, headers })).status).toBe(401)
  })
})
