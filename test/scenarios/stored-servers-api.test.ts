import { createServer } from 'node:http'
import { once } from 'node:events'
import { startMcpServer } from '@toolgate/testing/mcp-server'
import { startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'

const loopback = { general_settings: { mcp_allowed_private_networks: ['127.0.0.0/8'] } }
const somewhere = 'https://mcp.example.com/mcp'

const post = async (gateway: Booted, path: string, body: object) => {
  const response = await gateway.request(path, { body })
  return { status: response.status, answer: JSON.parse(await response.text()) }
}

describe('the API of stored servers', () => {
  let gateway: Booted
  beforeAll(async () => {
    const mcp_servers = { filed: { url: somewhere, alias: 'paper' } }
    gateway = await boot({ config: { ...loopback, mcp_servers } })
    await gateway.json('/v1/mcp/server', {
      body: { server_id: 'taken-id', server_name: 'taken', alias: 'tk', url: somewhere },
      status: 201,
    })
  })
  afterAll(() => gateway[Symbol.asyncDispose]())

  it.each([
    ['server_id', { server_id: 'taken-id', server_name: 'free', url: somewhere }],
    ['server_name', { server_name: 'taken', url: somewhere }],
    ['server_name', { server_name: 'tk', url: somewhere }],
    ['alias', { server_name: 'free', alias: 'taken-id', url: somewhere }],
    ['server_name', { server_name: 'filed', url: somewhere }],
    ['alias', { server_name: 'free', alias: 'paper', url: somewhere }],
  ])('refuses a %s that another server has', async (field, body) => {
    expect(await post(gateway, '/v1/mcp/server', body)).toMatchObject({
      status: 400,
      answer: { detail: { error: 'conflict', field } },
    })
  })

  it.each([
    ['server_id', { server_id: 'all-proxy-mcpservers' }],
    ['server_id', { server_id: 'health' }],
    ['server_id', { server_id: 'a/b' }],
    ['server_name', { server_name: 'no-mcp-servers' }],
    ['server_name', { server_name: 'with space' }],
    ['alias', { alias: 'ünicode' }],
    ['urll', { urll: somewhere }],
    ['credentials.auth_valu', { credentials: { auth_valu: 'x' } }],
    ['url', { url: undefined }],
    ['url', { url: 'file:///etc/passwd' }],
    ['auth_type', { auth_type: 'oauth2_id_jag' }],
    ['auth_type', { auth_type: 'berer_token' }],
    ['timeout', { timeout: -1 }],
    ['spec_path', { spec_path: '/etc/passwd' }],
    ['is_byok', { is_byok: true, auth_type: 'none' }],
    ['dcr_bridge', { dcr_bridge: true }],
    ['available_on_public_internet', { available_on_public_internet: false }],
    ['aws_role_name', { auth_type: 'aws_sigv4', credentials: { aws_role_name: 'x' } }],
    ['static_headers', { static_headers: { 'not a header': 'x' } }],
    ['api_keys', { api_keys: ['sk-of-somebody-12345'] }],
    ['cwd', { cwd: '/' }],
  ])('refuses what is wrong with %s, naming it', async (field, over) => {
    const { status, answer } = await post(gateway, '/v1/mcp/server', { server_name: 'free', url: somewhere, ...over })
    expect(status).toBe(422)
    expect(answer.detail[0]).toMatchObject({ msg: expect.any(String), type: expect.any(String) })
    expect(answer.detail[0].loc.slice(1).join('.')).toContain(field)
  })

  it('accepts what it does not act on, and says so', async () => {
    const body = {
      server_name: 'warned',
      url: somewhere,
      something_else: 1,
      oauth2_flow: 'client_credentials',
    }
    const { status, answer } = await post(gateway, '/v1/mcp/server', body)
    expect(status).toBe(201)
    for (const field of ['something_else', 'oauth2_flow']) {
      expect(answer.warnings).toContainEqual(expect.stringContaining(field))
    }
  })

  it('never touches a server of the file, and shows it by id, name and alias', async () => {
    const { server_id } = await gateway.json('/v1/mcp/server/filed')
    for (const handle of [server_id, 'paper']) {
      expect(await gateway.json(`/v1/mcp/server/${String(handle)}`)).toMatchObject({
        server_id,
        server_name: 'filed',
        origin: 'config',
      })
    }
    for (const handle of [server_id, 'filed']) {
      const response = await gateway.request(`/v1/mcp/server/${String(handle)}`, { method: 'DELETE' })
      expect([response.status, await response.text()]).toEqual([400, expect.stringContaining('configuration file')])
    }
    await gateway.json('/v1/mcp/server', { method: 'PUT', body: { server_id, description: 'x' }, status: 400 })
    await gateway.json('/v1/mcp/server', { method: 'PUT', body: { server_id: 'none' }, status: 404 })
  })

  it('is for administrators alone, wherever it writes, starts or reaches anything', async () => {
    const key = await gateway.makeKey({ object_permission: { mcp_servers: ['taken'] } })
    const body = { server_id: 'taken-id', server_name: 'x', url: somewhere }
    const requests = [
      ['POST', '/v1/mcp/server'],
      ['PUT', '/v1/mcp/server'],
      ['POST', '/v1/mcp/server/import'],
      ['DELETE', '/v1/mcp/server/taken-id'],
      ['POST', '/v1/mcp/server/taken-id/refresh'],
      ['GET', '/v1/mcp/server/taken-id/versions'],
      ['POST', '/mcp-rest/test/connection'],
      ['POST', '/mcp-rest/test/tools/list'],
    ] as const
    for (const [method, path] of requests) {
      const response = await gateway.request(path, { method, key, ...(method !== 'GET' && { body }) })
      expect([path, response.status, await response.text()]).toEqual([
        path,
        403,
        expect.stringContaining('PROXY_ADMIN'),
      ])
    }
    expect(await gateway.json('/v1/mcp/access_groups', { key })).toEqual({ access_groups: [] })
  })
})

describe('the addresses of stored servers', () => {
  verifies('registry:addresses-guarded', 'are refused where they are private, however they are spelt', async () => {
    await using upstream = await startRawMcpServer()
    await using gateway = await boot()
    const { port } = new URL(upstream.url)
    for (const host of [
      '127.0.0.1',
      '[::1]',
      '2130706433',
      '0x7f.1',
      '[::ffff:7f00:1]',
      '169.254.169.254',
      '10.0.0.1',
    ]) {
      const { status, answer } = await post(gateway, '/v1/mcp/server', {
        server_name: 'inside',
        url: `http://${host}:${port}/mcp`,
      })
      expect([host, status, JSON.stringify(answer)]).toEqual([
        host,
        422,
        expect.stringContaining('mcp_allowed_private_networks'),
      ])
    }
    // A name is looked up where it is dialled.
    const named = { server_name: 'named', url: `http://localhost:${port}/mcp` }
    await gateway.json('/v1/mcp/server', { body: named, status: 201 })
    expect(await gateway.json('/v1/mcp/server/named')).toMatchObject({
      status: 'unhealthy',
      health_check_error: expect.stringContaining('mcp_allowed_private_networks'),
    })
    expect((await post(gateway, '/mcp-rest/test/connection', named)).answer).toMatchObject({
      status: 'error',
      error: true,
      stage: 'handshake',
    })
    const sse = await post(gateway, '/mcp-rest/test/tools/list', { ...named, transport: 'sse' })
    expect(sse.answer).toMatchObject({
      tools: [],
      error: 'connection_error',
      message: expect.stringContaining('private or reserved'),
    })
    expect(upstream.requests).toEqual([])
  })

  verifies(
    'registry:addresses-guarded',
    'are guarded for tokens as well, and open to the operator’s file',
    async () => {
      await using upstream = await startRawMcpServer()
      const asked: string[] = []
      const tokens = createServer((request, response) => {
        asked.push(request.url ?? '')
        response.end('{"access_token":"t","token_type":"Bearer"}')
      }).listen(0, '127.0.0.1')
      await once(tokens, 'listening')
      const address = tokens.address()
      const token_url = `http://localhost:${address !== null && typeof address === 'object' ? address.port : 0}/token`
      const oauth = {
        auth_type: 'oauth2',
        token_url,
        client_id: 'me',
        client_secret: 'secret',
        oauth2_flow: 'client_credentials',
      }
      await using gateway = await boot({ config: { mcp_servers: { filed: { url: upstream.url, ...oauth } } } })
      expect(await gateway.json('/v1/mcp/server/filed')).toMatchObject({ status: 'healthy' })
      const filed = asked.length
      expect(filed).toBeGreaterThan(0)
      const { client_id, client_secret, ...stored } = oauth
      const body = { server_name: 'stored', url: somewhere, ...stored, credentials: { client_id, client_secret } }
      const { answer } = await post(gateway, '/mcp-rest/test/connection', body)
      expect(answer).toMatchObject({ status: 'error', stage: 'credential' })
      expect(asked).toHaveLength(filed)
      tokens.closeAllConnections()
      await new Promise((resolve) => tokens.close(resolve))
    },
  )

  it('follow a reload of what is allowed', async () => {
    await using upstream = await startRawMcpServer()
    await using gateway = await boot({ config: loopback })
    await gateway.json('/v1/mcp/server', { body: { server_name: 'inside', url: upstream.url }, status: 201 })
    expect(await gateway.json('/v1/mcp/server/inside')).toMatchObject({ status: 'healthy' })
    await gateway.reload({})
    expect(await gateway.json('/v1/mcp/server/inside')).toMatchObject({ status: 'quarantined' })
    await gateway.reload({ ...loopback, mcp_servers: { beside: { url: upstream.url } } })
    expect(await gateway.json('/v1/mcp/server/inside')).toMatchObject({ status: 'healthy' })
  })
})

describe('stdio through the API', () => {
  const stdio = { server_name: 'local', transport: 'stdio', command: 'node', args: ['-e', ''] }

  verifies('stdio:operator-only', 'is refused, stored or tried out, unless it was switched on at start', async () => {
    await using gateway = await boot()
    for (const path of ['/v1/mcp/server', '/mcp-rest/test/connection', '/mcp-rest/test/tools/list']) {
      const { status, answer } = await post(gateway, path, stdio)
      expect([path, status, JSON.stringify(answer)]).toEqual([
        path,
        422,
        expect.stringContaining('LITELLM_ENABLE_MCP_STDIO=true'),
      ])
    }
  })

  verifies(
    'stdio:operator-only',
    'runs listed commands by their plain name, with variables that change nothing else',
    async () => {
      const env = { LITELLM_ENABLE_MCP_STDIO: 'true', LITELLM_MCP_STDIO_EXTRA_COMMANDS: 'my-server' }
      await using gateway = await boot({ env })
      for (const over of [
        { command: 'bash' },
        { command: '/usr/bin/node' },
        { command: './node' },
        { command: '../node' },
        { command: 'node ' },
        { command: 'NODE' },
        { command: 'node;id' },
        { env: { PATH: '/tmp' } },
        { env: { LD_PRELOAD: '/tmp/x.so' } },
        { env: { NODE_OPTIONS: '--require /tmp/x' } },
        { env: { 'A=B': 'x' } },
      ]) {
        const { status } = await post(gateway, '/v1/mcp/server', { ...stdio, ...over })
        expect([over, status]).toEqual([over, 422])
      }
      const { status } = await post(gateway, '/v1/mcp/server', { ...stdio, command: 'my-server', env: { TOKEN: 'x' } })
      expect(status).toBe(201)
    },
  )
})

describe('trying a server out', () => {
  verifies('registry:stored-servers', 'lists its tools, stores nothing and leaves nothing open', async () => {
    await using upstream = await startMcpServer()
    await using gateway = await boot({ config: loopback })
    const body = {
      server_name: 'trial',
      url: upstream.url,
      credentials: { auth_value: 'x' },
      auth_type: 'bearer_token',
    }
    expect((await post(gateway, '/mcp-rest/test/connection', body)).answer).toEqual({ status: 'ok' })
    const { answer } = await post(gateway, '/mcp-rest/test/tools/list', body)
    expect(answer).toMatchObject({
      tools: expect.arrayContaining([expect.objectContaining({ name: 'echo' })]),
      error: null,
    })
    await vi.waitFor(() => expect(upstream.openSessions).toBe(0))
    const servers = await gateway.request('/v1/mcp/server')
    expect(await servers.json()).toEqual([])
  })
})

describe('importing a client’s configuration', () => {
  verifies('registry:stored-servers', 'takes each entry whole or not at all, and reports what is open', async () => {
    await using upstream = await startRawMcpServer()
    await using gateway = await boot({ config: loopback })
    const { status, answer } = await post(gateway, '/v1/mcp/server/import', {
      mcpServers: {
        'My Server': {
          type: 'streamable-http',
          url: upstream.url,
          headers: { authorization: 'Bearer ${TOKEN}' },
          disabled: false,
        },
        open: { url: upstream.url, headers: { 'x-key': '${input:api-key}', 'x-other': '${env:OTHER}' } },
        command: { command: 'npx', args: ['-y', 'some-server'], env: { KEY: '${TOKEN}' } },
        odd: { type: 'websocket', url: upstream.url },
        empty: {},
        broken: 'text',
      },
      servers: { vscode: { type: 'sse', url: somewhere } },
      values: { TOKEN: 'filled-in' },
    })
    expect(status).toBe(200)
    expect(answer).toMatchObject({ created: 2, failed: 5 })
    const results = Object.fromEntries(answer.results.map((result: { name: string }) => [result.name, result]))
    expect(results).toMatchObject({
      'My Server': { status: 'created', server_name: 'My_Server', warnings: expect.any(Array) },
      vscode: { status: 'created' },
      open: { status: 'failed', placeholders: ['${env:OTHER}', '${input:api-key}'] },
      command: { status: 'failed', error: expect.stringContaining('LITELLM_ENABLE_MCP_STDIO') },
      odd: { status: 'failed', error: expect.stringContaining('http, sse, stdio') },
      empty: { status: 'failed', error: expect.stringContaining('url') },
      broken: { status: 'failed' },
    })
    expect(JSON.stringify(answer)).not.toContain('filled-in')
    await gateway.json('/v1/mcp/server/My_Server')
    expect(upstream.received('tools/list').at(-1)?.headers).toMatchObject({ authorization: 'Bearer filled-in' })
    expect((await post(gateway, '/v1/mcp/server/import', {})).status).toBe(422)
  })
})

describe('what is known of a server', () => {
  it('is health for the ids that are asked for, lists that are read again, and their versions', async () => {
    await using upstream = await startRawMcpServer()
    await using gateway = await boot({ config: loopback })
    const add = (server_name: string) =>
      gateway.json('/v1/mcp/server', { body: { server_name, url: upstream.url }, status: 201 })
    const [one] = [await add('one'), await add('two'), await add('three')]
    const query = `?server_ids=${String(one['server_id'])},two&server_ids=none`
    const health: unknown = await (await gateway.request(`/v1/mcp/server/health${query}`)).json()
    expect(health).toMatchObject([
      { server_name: 'one', status: 'healthy', circuit: 'closed' },
      { server_name: 'two', status: 'healthy' },
      { server_id: 'none', status: 'unknown' },
    ])
    expect(await gateway.json('/v1/mcp/server/one/refresh', { method: 'POST' })).toMatchObject({
      lists: expect.arrayContaining([expect.objectContaining({ kind: 'tools', items: 1 })]),
    })
    await vi.waitFor(async () =>
      expect(await gateway.json('/v1/mcp/server/one/versions')).toMatchObject({
        versions: expect.arrayContaining([expect.objectContaining({ kind: 'tools', version: 1, added: ['echo'] })]),
      }),
    )
  })
})
