import { isJsonObject } from '@toolgate/core'
import { type RawMcpServer, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { serveOnLoopback } from '@toolgate/testing/loopback'
import { request as httpRequest } from 'node:http'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'

/** What stands inside one header or one text of a body, and would be another one to whoever reads it next. */
const behind = new AsyncDisposableStack()
let upstream: RawMcpServer
let gateway: Booted
let key: string
let origin: string
beforeAll(async () => {
  upstream = behind.use(await startRawMcpServer())
  const { url } = upstream
  gateway = behind.use(
    await boot({
      config: {
        model_list: [{ model_name: 'mock', litellm_params: { model: 'mock/echo' } }],
        mcp_servers: {
          intranet: { url, auth: { cookie_passthrough: { cookie_names: ['session_id', 'tenant'] } } },
          every: { url, extra_headers: ['cookie'] },
          templated: { url, static_headers: { 'X-User': 'user ${X-USER}' } },
          git: { url, auth_type: 'oauth_delegate' },
        },
      },
    }),
  )
  const { app } = gateway
  origin = behind.use(await serveOnLoopback((request, env) => app.fetch(request, env))).origin
  key = await gateway.makeKey({ object_permission: { mcp_servers: ['all-proxy-mcpservers'] } })
})
afterAll(() => behind.disposeAsync())

const call = async (server: string, headers: Record<string, string>) => {
  const before = upstream.requests.length
  const body = { server_id: server, name: 'echo', arguments: {} }
  const { status } = await gateway.request('/mcp-rest/tools/call', { key, headers, body })
  return { status, sent: upstream.requests.slice(before) }
}

describe('a cookie that may pass', () => {
  const attempts: readonly (readonly [string, string, string | undefined])[] = [
    ['beside others', 'admin=1; session_id=a; x=2', 'session_id=a'],
    ['twice', 'session_id=a; session_id=b', 'session_id=b'],
    ['in other letters', 'Session_Id=a; SESSION_ID=b', undefined],
    ['with another behind a blank, which some take for a separator', 'session_id=a admin=1', undefined],
    ['with another behind a comma', 'session_id=a, admin=1', undefined],
    ['with another behind a tab', 'session_id=a\tadmin=1', undefined],
    ['with another behind a backslash', 'session_id=a\\073admin=1', undefined],
    [
      'with a quote that does not close, which would swallow the next',
      'session_id="a; admin=1; tenant=b"',
      'tenant=b"',
    ],
    ['with a name that holds another', 'admin=1 session_id=a', undefined],
    ['with quotes around it', 'session_id="a"', 'session_id="a"'],
    ['with a comma that is part of it', 'session_id=a,b; tenant=c', 'session_id=a,b; tenant=c'],
    ['with padding', 'session_id=YQ==', 'session_id=YQ=='],
  ]
  for (const [what, cookie, passes] of attempts) {
    verifies('identity:no-smuggling', `takes nothing along: ${what}`, async () => {
      const { status, sent } = await call('intranet', { cookie })
      expect(status).toBe(200)
      expect(new Set(sent.map(({ headers }) => headers.cookie))).toEqual(new Set([passes]))
    })
  }

  verifies('identity:no-smuggling', 'is not the page’s own, however it is spelled, where all may pass', async () => {
    const own = ['toolgate-browser', '__Host-toolgate-browser', ' toolgate-browser', 'a toolgate-browser']
    const cookie = `${own.map((name) => `${name}=abcdefghijklmnopqrstuv`).join('; ')}; x=toolgate-browser=1, toolgate-browser=2`
    const { sent } = await call('every', { cookie })
    for (const { raw } of sent) expect(raw).not.toContain('toolgate-browser')
  })
})

describe('a value that becomes a header', () => {
  /** As no client library would send it. */
  const raw = (headers: readonly string[]) =>
    new Promise<number>((resolve, reject) => {
      const body = JSON.stringify({ server_id: 'git', name: 'echo', arguments: {} })
      const fixed = [
        'host',
        new URL(origin).host,
        'content-type',
        'application/json',
        'content-length',
        String(body.length),
      ]
      const sending = httpRequest(`${origin}/mcp-rest/tools/call`, { method: 'POST' }, (response) => {
        response.resume()
        response.on('end', () => resolve(response.statusCode ?? 0))
      })
      sending.on('error', reject)
      for (let index = 0; index < fixed.length + headers.length; index += 2) {
        const all = [...fixed, ...headers]
        sending.appendHeader(all[index] ?? '', all[index + 1] ?? '')
      }
      sending.end(body)
    })

  verifies('identity:no-smuggling', 'is one header, whatever the bytes of the request say', async () => {
    const before = upstream.requests.length
    const brought = [
      'x-litellm-api-key',
      key,
      'x-mcp-git-authorization',
      'Bearer a',
      'x-mcp-git-authorization',
      'Bearer b',
    ]
    await raw(brought)
    for (const { headers } of upstream.requests.slice(before)) {
      expect(headers.authorization).toBe('Bearer a, Bearer b')
    }
  })

  const names = ['authorization\r\nx-evil', 'x evil', 'x-mcp-git-', 'mcp-session-id', 'transfer-encoding', 'host']
  for (const [what, headers] of [
    ['a line break in its value', { 'x-mcp-git-authorization': 'Bearer a\r\nx-evil: 1' }],
    ['a line feed alone', { 'x-mcp-git-x-note': 'a\nx-evil: 1' }],
    ['a null byte', { 'x-mcp-git-x-note': 'a\0b' }],
    ['letters that become control characters', { 'x-mcp-git-x-note': 'a\u010d\u010ax-evil: 1' }],
  ] as const) {
    verifies('identity:no-smuggling', `of a chat entry is refused with ${what}, and nothing is asked`, async () => {
      const before = upstream.requests.length
      const tools = [{ type: 'mcp', server_url: 'litellm_proxy/mcp/git', require_approval: 'never', headers }]
      const response = await gateway.request('/v1/chat/completions', {
        key,
        body: { model: 'mock', messages: [{ role: 'user', content: 'hi' }], tools },
      })
      const answer: unknown = await response.json()
      expect(response.status).toBe(400)
      expect(JSON.stringify(answer)).toContain('not a header value')
      expect(JSON.stringify(answer)).not.toContain('x-evil')
      expect(upstream.requests.length).toBe(before)
    })
  }

  verifies('identity:no-smuggling', 'of a chat entry names no header of the transport or of the protocol', async () => {
    const before = upstream.requests.length
    const headers = Object.fromEntries(names.map((name) => [`x-mcp-git-${name}`, 'smuggled']))
    const tools = [
      {
        type: 'mcp',
        server_url: 'litellm_proxy/mcp/git',
        require_approval: 'never',
        headers: { 'x-mcp-git-authorization': 'Bearer a', ...headers },
      },
    ]
    await gateway.request('/v1/chat/completions', {
      key,
      body: { model: 'mock', messages: [{ role: 'user', content: 'hi' }], tools },
    })
    for (const { raw: sent } of upstream.requests.slice(before)) expect(sent).not.toContain('smuggled')
  })

  verifies('identity:no-smuggling', 'and is filled into what the operator wrote stays inside it', async () => {
    const { sent } = await call('templated', { 'x-user': 'ada\tx-evil: 1' })
    for (const { headers } of sent) {
      expect(headers).not.toHaveProperty('x-evil')
      expect(headers['x-user']).toBe('user ada\tx-evil: 1')
    }
  })

  verifies('identity:no-smuggling', 'of a stored server is refused with a line break in it', async () => {
    for (const [field, value] of [
      ['static_headers', { 'x-note': 'a\r\nx-evil: 1' }],
      ['static_headers', { 'x-note\r\nx-evil': 'a' }],
    ] as const) {
      const body = { server_name: 'stored', url: 'https://tools.example.com/mcp', [field]: value }
      const answer = await gateway.json('/v1/mcp/server', { body, status: 422 })
      expect(isJsonObject(answer) && JSON.stringify(answer)).toContain('static_headers')
    }
  })
})
