import { isJsonObject, type JsonObject } from '@toolgate/core'
import { everythingStdio, startEverything } from '@toolgate/testing/mcp-everything'
import { startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { boot, type Booted, type RequestOptions } from '../boot.ts'
import { verifies } from '../verifies.ts'

/** One JSON-RPC request; its status and its answer. */
const rpc = async (
  gateway: Booted,
  path: string,
  { method, params, ...options }: { method: string; params?: object } & Omit<RequestOptions, 'method' | 'body'>,
) => {
  const response = await gateway.request(path, { ...options, body: { jsonrpc: '2.0', id: 1, method, params } })
  const answer: unknown = await response.json()
  if (!isJsonObject(answer)) throw new Error('the answer is no object')
  return { status: response.status, answer, headers: response.headers }
}

const namesOf = ({ result }: JsonObject, kind = 'tools') => {
  const items = isJsonObject(result) ? result[kind] : undefined
  return Array.isArray(items)
    ? items.map((item) => (isJsonObject(item) && typeof item['name'] === 'string' ? item['name'] : ''))
    : []
}

let gateway: Booted
let http: Awaited<ReturnType<typeof startEverything>>
beforeAll(async () => {
  http = await startEverything()
  gateway = await boot({
    config: {
      mcp_servers: {
        alpha: { ...everythingStdio, access_groups: ['both'] },
        beta: { url: http.url, access_groups: ['both'] },
        'owner/gamma': { url: http.url, alias: 'gam' },
      },
    },
  })
})
beforeAll(() =>
  // On a busy machine a child takes longer to start than a list waits for it.
  vi.waitFor(
    async () =>
      expect(namesOf((await rpc(gateway, '/mcp/both', { method: 'tools/list' })).answer)).toEqual(
        expect.arrayContaining(['alpha-echo', 'beta-echo']),
      ),
    {
      timeout: 15_000,
    },
  ),
)
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await http[Symbol.asyncDispose]()
})

describe('an MCP endpoint', () => {
  verifies('mcp:endpoints', 'is spelt in every way that LiteLLM has, and none of them redirects', async () => {
    const prefixes = async (path: string, headers: Record<string, string> = {}) => {
      const { status, answer } = await rpc(gateway, path, { method: 'tools/list', headers })
      expect([path, status]).toEqual([path, 200])
      return [
        ...new Set(
          namesOf(answer).map((name) => name.replace(/-?(echo|get-.*|toggle-.*|trigger-.*|simulate-.*|gzip-.*)$/, '')),
        ),
      ]
    }
    for (const path of ['/mcp', '/mcp/']) expect(await prefixes(path)).toEqual(['alpha', 'beta', 'gam'])
    for (const path of ['/mcp/alpha,beta', '/mcp/alpha%2Cbeta/', '/beta,alpha/mcp', '/both/mcp/', '/mcp/both']) {
      expect(await prefixes(path)).toEqual(['alpha', 'beta'])
    }
    for (const path of ['/mcp/alpha', '/mcp/alpha/', '/alpha/mcp', '/alpha/mcp/'])
      expect(await prefixes(path)).toEqual([''])
    for (const path of ['/mcp/owner/gamma', '/owner/gamma/mcp/', '/gam/mcp']) expect(await prefixes(path)).toEqual([''])
    expect(await prefixes('/mcp', { 'x-mcp-servers': 'beta' })).toEqual(['beta'])
    expect(await prefixes('/mcp/alpha,beta', { 'x-mcp-servers': 'gam' })).toEqual(['alpha', 'beta'])
    expect(await gateway.json('/mcp/enabled')).toEqual({ enabled: true })
  })

  verifies(
    'mcp:endpoints',
    'lists under the names that it takes in a call, and reaches nothing outside itself',
    async () => {
      const echo = (path: string, name: string) =>
        rpc(gateway, path, { method: 'tools/call', params: { name, arguments: { message: 'hi' } } })
      for (const [path, name] of [
        ['/mcp', 'alpha-echo'],
        ['/mcp/alpha', 'echo'],
        ['/mcp/alpha', 'alpha-echo'],
        ['/both/mcp', 'beta-echo'],
      ] as const) {
        expect([path, (await echo(path, name)).answer]).toMatchObject([
          path,
          { result: { content: [{ text: 'Echo: hi' }] } },
        ])
      }
      for (const [path, name] of [
        ['/mcp/alpha', 'beta-echo'],
        ['/both/mcp', 'gam-echo'],
        ['/both/mcp', 'owner/gamma-echo'],
      ] as const) {
        expect([path, name, (await echo(path, name)).answer]).toMatchObject([path, name, { error: { code: -32602 } }])
      }
      const prompt = {
        ref: { type: 'ref/prompt', name: 'beta-completable-prompt' },
        argument: { name: 'department', value: 'E' },
      }
      expect((await rpc(gateway, '/mcp', { method: 'completion/complete', params: prompt })).answer).toMatchObject({
        result: { completion: { values: ['Engineering'] } },
      })
      expect(namesOf((await rpc(gateway, '/mcp', { method: 'prompts/list' })).answer, 'prompts')).toContain(
        'beta-simple-prompt',
      )
    },
  )

  verifies('mcp:access', 'refuses what the key may not use, and never widens', async () => {
    const key = await gateway.makeKey({ object_permission: { mcp_servers: ['alpha'] } })
    const list = (path: string, headers = {}) => rpc(gateway, path, { method: 'tools/list', key, headers })
    for (const { status, answer } of [
      await list('/mcp/beta'),
      await list('/nowhere/mcp'),
      await list('/mcp', { 'x-mcp-servers': 'beta' }),
      await list('/mcp', { 'x-mcp-servers': '' }),
    ]) {
      expect([status, answer['error']]).toEqual([
        403,
        expect.stringMatching(/^The key is not allowed to access the requested MCP servers: /),
      ])
    }
    expect((await list('/mcp/alpha,beta')).answer).toMatchObject({
      result: { _meta: { 'toolgate/unresolved': ['beta'] } },
    })
    const none = await gateway.makeKey({})
    const { status, answer } = await rpc(gateway, '/mcp', { method: 'initialize', params: {}, key: none })
    expect([status, answer]).toMatchObject([
      200,
      { error: { message: expect.stringMatching(/^The key has no MCP servers granted/) } },
    ])
  })

  verifies('mcp:access', 'without a good key is a 401 that MCP clients and LiteLLM’s know', async () => {
    for (const path of [
      '/mcp',
      '/mcp/',
      '/mcp/alpha',
      '/alpha/mcp',
      '/owner/gamma/mcp',
      '/mcp/nothing',
      '/sse',
      '/mcp/sse',
    ]) {
      for (const method of ['GET', 'POST', 'DELETE', 'OPTIONS', 'PUT']) {
        const response = await gateway.request(path, { method, key: null })
        expect([path, method, response.status, response.headers.get('www-authenticate')]).toEqual([
          path,
          method,
          401,
          `Bearer resource_metadata="http://localhost/.well-known/oauth-protected-resource${path.replace(/\/$/, '')}"`,
        ])
      }
    }
    const wrong = await gateway.request('/mcp', { key: 'sk-wrong', method: 'POST' })
    expect(wrong.headers.get('www-authenticate')).toMatch(/^Bearer error="invalid_token", resource_metadata=/)
    expect(await wrong.json()).toMatchObject({ error: 'authentication_required' })
    expect((await gateway.request('/.well-known/mcp', { method: 'POST', key: null, body: {} })).status).toBe(404)
  })
})

describe('what is no request', () => {
  const post = async (body: unknown, headers: Record<string, string> = {}) => {
    const response = await gateway.request('/mcp', { method: 'POST', body, headers })
    return [response.status, response.status === 202 ? null : await response.json()]
  }
  const error = (code: number, id: string | number | null = null) => ({
    jsonrpc: '2.0',
    id,
    error: { code, message: expect.any(String) },
  })

  verifies('mcp:envelope', 'is answered as JSON-RPC says', async () => {
    const deep = `{"jsonrpc":"2.0","id":1,"method":"ping","params":${'{"a":'.repeat(300)}1${'}'.repeat(300)}}`
    for (const [body, answer] of [
      ['{', error(-32700)],
      ['', error(-32700)],
      ['1', error(-32600)],
      ['[]', error(-32600)],
      [{}, error(-32600)],
      [{ jsonrpc: '1.0', id: 7, method: 'ping' }, error(-32600, 7)],
      [{ jsonrpc: '2.0', id: null, method: 'ping' }, error(-32600)],
      [{ jsonrpc: '2.0', id: {}, method: 'ping' }, error(-32600)],
      [{ jsonrpc: '2.0', id: 'a', method: 1 }, error(-32600, 'a')],
      [{ jsonrpc: '2.0', id: 'a', method: 'ping', params: [] }, error(-32600, 'a')],
      [{ jsonrpc: '2.0', id: 'a' }, error(-32600, 'a')],
      [deep, error(-32600)],
    ] as const) {
      expect(await post(body)).toEqual([400, answer])
    }
    expect(await post({ jsonrpc: '2.0', id: 0, method: 'ping' })).toEqual([200, { jsonrpc: '2.0', id: 0, result: {} }])
    expect(await post({ jsonrpc: '2.0', id: 'x', method: 'no/such' })).toEqual([
      200,
      { ...error(-32601, 'x'), error: expect.objectContaining({ code: -32601 }) },
    ])
    expect(await post({ jsonrpc: '2.0', method: 'notifications/initialized' })).toEqual([202, null])
  })

  verifies('mcp:envelope', 'names an unsupported version as LiteLLM does', async () => {
    expect(await post({ jsonrpc: '2.0', id: 1, method: 'ping' }, { 'mcp-protocol-version': '1999-01-01' })).toEqual([
      400,
      {
        jsonrpc: '2.0',
        id: 1,
        error: {
          code: -32600,
          message:
            'Unsupported MCP-Protocol-Version 1999-01-01; supported: 2025-11-25, 2025-06-18, 2025-03-26, 2024-11-05',
        },
      },
    ])
  })

  verifies('mcp:envelope', 'may be one of a batch, in the versions that have batches', async () => {
    const batch = [
      { jsonrpc: '2.0', id: 1, method: 'ping' },
      5,
      { jsonrpc: '2.0', method: 'notifications/initialized' },
    ]
    expect(await post(batch)).toEqual([200, [{ jsonrpc: '2.0', id: 1, result: {} }, error(-32600)]])
    expect(await post(batch, { 'mcp-protocol-version': '2024-11-05' })).toMatchObject([200, expect.any(Array)])
    expect(await post(batch, { 'mcp-protocol-version': '2025-06-18' })).toEqual([400, error(-32600)])
  })
})

describe('pages of the web', () => {
  const status = async (at: Booted, headers: Record<string, string>) =>
    (await rpc(at, '/mcp', { method: 'ping', headers })).status

  verifies('mcp:origin', 'may talk to it from this machine, and from elsewhere where the file says so', async () => {
    for (const origin of ['http://localhost:6274', 'http://127.0.0.1', 'http://[::1]:1'])
      expect(await status(gateway, { origin })).toBe(200)
    for (const origin of ['http://evil.example.com', 'null', 'http://localhost.evil.example.com'])
      expect(await status(gateway, { origin })).toBe(403)
    expect(await status(gateway, { host: 'evil.example.com' })).toBe(403)
    for (const host of ['localhost:4000', '127.0.0.1:9', '[::1]:4000'])
      expect(await status(gateway, { host })).toBe(200)
  })

  const general_settings = {
    mcp_allowed_origins: ['https://chat.example.com'],
    mcp_allowed_hosts: ['mcp.example.com'],
  }
  verifies('mcp:origin', 'may be of elsewhere where the file says so', async () => {
    await using open = await boot({ config: { general_settings } })
    expect(await status(open, { origin: 'https://chat.example.com', host: 'mcp.example.com' })).toBe(200)
    expect(await status(open, { origin: 'https://other.example.com' })).toBe(403)
  })

  verifies('mcp:origin', 'are of elsewhere also where every name of the gateway is good', async () => {
    await using wide = await boot({ env: { HOST: '0.0.0.0' } })
    expect(await status(wide, { host: 'gateway.example.com' })).toBe(200)
    expect(await status(wide, { host: 'gateway.example.com', origin: 'https://gateway.example.com' })).toBe(403)
  })
})

describe('a server that has trouble', () => {
  verifies('mcp:faults', 'is one outcome of many in an aggregate, and the answer where it is alone', async () => {
    await using hanging = await startRawMcpServer(() => 'hang')
    await using locked = await startRawMcpServer(() => ({
      status: 401,
      headers: { 'www-authenticate': 'Bearer realm="upstream"' },
      body: {},
    }))
    await using troubled = await boot({
      env: { LITELLM_MCP_TOOL_LISTING_TIMEOUT: '0.5' },
      config: {
        mcp_servers: {
          well: { url: http.url },
          hanging: { url: hanging.url },
          locked: { url: locked.url },
        },
      },
    })
    const { answer } = await rpc(troubled, '/mcp', { method: 'tools/list' })
    expect(answer).toMatchObject({
      result: {
        _meta: {
          'toolgate/outcomes': [
            { server_name: 'well', status: 'ok' },
            { server_name: 'hanging', status: 'timeout' },
            { server_name: 'locked', status: 'needs_auth' },
          ],
        },
      },
    })
    const call = (path: string, name: string) =>
      rpc(troubled, path, { method: 'tools/call', params: { name, arguments: {} } })
    expect((await call('/mcp', 'locked-x')).answer).toMatchObject({
      result: { isError: true, content: [{ text: expect.stringMatching(/^Error: .*locked/) }] },
    })
    const alone = await call('/mcp/locked', 'x')
    expect([alone.status, alone.headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="upstream"'])
    expect(alone.answer).toMatchObject({ id: 1, error: { message: expect.stringContaining('locked') } })
    expect((await rpc(troubled, '/mcp/hanging', { method: 'tools/list' })).status).toBe(504)
  })
})

it('says what it is', async () => {
  const initialize = (path: string, protocolVersion = '2025-06-18') =>
    rpc(gateway, path, {
      method: 'initialize',
      params: { protocolVersion, capabilities: {}, clientInfo: { name: 't', version: '0' } },
    })
  expect((await initialize('/mcp')).answer).toMatchObject({
    result: {
      protocolVersion: '2025-06-18',
      serverInfo: { name: 'toolgate' },
      capabilities: { tools: {}, prompts: {}, resources: {}, completions: {} },
    },
  })
  expect((await initialize('/mcp')).answer['result']).toMatchObject({
    instructions: expect.stringMatching(/^\[alpha\]\n[^]*\n\n---\n\n\[beta\]\n/),
  })
  expect((await initialize('/gam/mcp', '2030-01-01')).answer).toMatchObject({
    result: {
      protocolVersion: '2025-11-25',
      serverInfo: { name: 'gam' },
      instructions: expect.not.stringContaining('[gam]'),
    },
  })
})
