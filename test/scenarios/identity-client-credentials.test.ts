import { readFileSync } from 'node:fs'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { type OauthServer, startOauthServer } from '@toolgate/testing/oauth-server'
import { describe, expect } from 'vitest'
import { boot, recordingLog } from '../boot.ts'
import { verifies } from '../verifies.ts'

const callOf = (server: string) => ({ body: { server_id: server, name: 'echo', arguments: {} } })

/** `auth_type: oauth2` with everything client credentials need. */
const machine = ({ tokenUrl }: OauthServer) => ({
  auth_type: 'oauth2',
  token_url: tokenUrl,
  client_id: 'toolgate',
  client_secret: 'the-client-secret',
})

const arrived = (requests: readonly { headers: { authorization?: string | undefined } }[]) =>
  new Set(requests.map(({ headers }) => headers.authorization))

describe('a token of the gateway itself', () => {
  verifies('m2m:token-cache', 'is fetched once for two hundred first calls at once', async () => {
    await using idp = await startOauthServer()
    await using upstream = await startRawMcpServer()
    // Listing has a credential of its own here, so that the first token is the calls'.
    const discovery_auth = { auth_type: 'bearer_token', authentication_token: 'for-listing' }
    await using gateway = await boot({
      config: { mcp_servers: { machine: { url: upstream.url, ...machine(idp), discovery_auth } } },
    })
    expect(idp.requests).toHaveLength(0)
    await Promise.all(Array.from({ length: 200 }, () => gateway.json('/mcp-rest/tools/call', callOf('machine'))))
    expect(idp.requests).toHaveLength(1)
    expect(arrived(upstream.received('tools/list'))).toEqual(new Set(['Bearer for-listing']))
    expect(arrived(upstream.received('tools/call'))).toEqual(new Set(['Bearer token-1']))
  })

  verifies('m2m:token-cache', 'that the upstream refuses is fetched once more, for one more attempt', async () => {
    await using idp = await startOauthServer()
    await using upstream = await startRawMcpServer()
    await using gateway = await boot({ config: { mcp_servers: { machine: { url: upstream.url, ...machine(idp) } } } })
    await gateway.json('/mcp-rest/tools/call', callOf('machine'))
    upstream.answer(({ headers }) => (headers.authorization === 'Bearer token-1' ? { status: 401 } : undefined))
    await Promise.all(Array.from({ length: 20 }, () => gateway.json('/mcp-rest/tools/call', callOf('machine'))))
    expect(idp.requests).toHaveLength(2)
    expect(arrived(upstream.received('tools/call'))).toEqual(new Set(['Bearer token-1', 'Bearer token-2']))
    expect(upstream.received('tools/call').length).toBeLessThanOrEqual(1 + 40)
  })

  verifies('m2m:token-cache', 'is not fetched over and over for an upstream that refuses every one', async () => {
    await using idp = await startOauthServer()
    await using upstream = await startRawMcpServer()
    await using gateway = await boot({ config: { mcp_servers: { machine: { url: upstream.url, ...machine(idp) } } } })
    upstream.answer(({ message }) => (message['method'] === 'tools/call' ? { status: 401 } : undefined))
    for (let count = 0; count < 5; count += 1) {
      const answer = await gateway.json('/mcp-rest/tools/call', { ...callOf('machine'), status: 502 })
      expect(answer).toMatchObject({ detail: { error: 'upstream_credential_rejected', server: 'machine' } })
    }
    expect(idp.requests).toHaveLength(2)
  })

  verifies('m2m:token-cache', 'that cannot be had is an error naming server and host, and nothing secret', async () => {
    await using idp = await startOauthServer()
    idp.answer(() => ({
      status: 401,
      body: { error: 'invalid_client', error_description: 'the-client-secret is wrong' },
    }))
    await using upstream = await startRawMcpServer()
    const log = recordingLog()
    await using gateway = await boot({
      config: { mcp_servers: { machine: { url: upstream.url, ...machine(idp) } } },
      log,
    })
    const answer = await gateway.request('/mcp-rest/tools/call', callOf('machine'))
    const text = await answer.text()
    expect(answer.status).toBe(502)
    expect(JSON.parse(text)).toMatchObject({ detail: { error: 'upstream_token_unavailable', server: 'machine' } })
    expect(text).toContain(idp.host)
    expect(text + log.lines.join('\n')).not.toContain('the-client-secret')
    expect(upstream.requests).toEqual([])

    const listed = await gateway.json('/mcp-rest/tools/list')
    expect(listed).toMatchObject({ error: 'partial_failure', tools: [] })
    // A failure is not kept: the endpoint recovers, and so does the next call.
    idp.answer(() => ({ body: { access_token: 'later', expires_in: 60 } }))
    await gateway.json('/mcp-rest/tools/call', callOf('machine'))
    expect(arrived(upstream.received('tools/call'))).toEqual(new Set(['Bearer later']))
  })
})

/** What the seeds were to show, with what a file says and with what the environment says. */
describe('a protected server', () => {
  const environment = ({ tokenUrl }: OauthServer) => ({
    LITELLM_MCP_AUTH_AUTO_PATCH: 'true',
    MCP_OAUTH2_TOKEN_URL: tokenUrl,
    MCP_OAUTH2_CLIENT_ID: 'litellm-proxy',
    MCP_OAUTH2_CLIENT_SECRET: 'the-client-secret',
  })
  for (const from of ['the file', 'the environment alone']) {
    verifies('m2m:seed-criteria', `lets the gateway list and call, and nobody without a token: ${from}`, async () => {
      await using idp = await startOauthServer()
      await using upstream = await startRawMcpServer(({ headers }) =>
        headers.authorization === 'Bearer token-1' ? undefined : { status: 401, body: { error: 'no token' } },
      )
      const open = new Client({ name: 'test', version: '1' })
      await expect(open.connect(new StreamableHTTPClientTransport(new URL(upstream.url)))).rejects.toThrow(
        /401|no token/i,
      )
      await using gateway = await boot({
        env: from === 'the file' ? {} : environment(idp),
        config: { mcp_servers: { tools: { url: upstream.url, ...(from === 'the file' && machine(idp)) } } },
      })
      expect(await gateway.json('/mcp-rest/tools/list?server_id=tools')).toMatchObject({ tools: [{ name: 'echo' }] })
      expect(await gateway.json('/mcp-rest/tools/call', callOf('tools'))).toHaveProperty('content')
      const health = await gateway.request('/v1/mcp/server/health')
      expect(await health.json()).toMatchObject([{ server_name: 'tools', status: 'healthy' }])
      expect(idp.requests).toHaveLength(1)
    })
  }
})

describe('the environment of seed 000', () => {
  verifies(
    'm2m:token-cache',
    'gives one token to the servers that declare nothing, and says who receives it',
    async () => {
      await using idp = await startOauthServer()
      await using upstream = await startRawMcpServer()
      const at = (path: string) => new URL(path, upstream.url).href
      const log = recordingLog()
      await using gateway = await boot({
        log,
        env: {
          LITELLM_MCP_AUTH_AUTO_PATCH: 'true',
          MCP_OAUTH2_TOKEN_URL: idp.tokenUrl,
          MCP_OAUTH2_CLIENT_ID: 'litellm-proxy',
          MCP_OAUTH2_CLIENT_SECRET: 'your-secret',
        },
        config: {
          mcp_servers: {
            bare: { url: at('/bare') },
            open: { url: at('/open'), auth_type: 'none' },
            keyed: { url: at('/keyed'), static_headers: { 'X-Api-Key': 'its own' } },
          },
        },
      })
      for (const server of ['bare', 'open', 'keyed']) await gateway.json('/mcp-rest/tools/call', callOf(server))

      expect(idp.requests).toHaveLength(1)
      expect(Object.fromEntries(idp.requests[0]?.form ?? [])).toEqual({
        grant_type: 'client_credentials',
        client_id: 'litellm-proxy',
        client_secret: 'your-secret',
      })
      const tokenAt = Object.fromEntries(
        upstream.received('tools/call').map(({ path, headers }) => [path, headers.authorization]),
      )
      expect(tokenAt).toEqual({ '/bare': 'Bearer token-1', '/open': undefined, '/keyed': undefined })

      const receivers = log.lines.filter((line) => line.includes('receives the token'))
      expect(receivers).toHaveLength(1)
      expect(receivers[0]).toContain('mcp_servers.bare')
      expect(receivers[0]).toContain(at('/bare'))
      expect(log.lines.join('\n')).not.toContain('your-secret')
    },
  )
})

describe('the configuration of seed 001', () => {
  verifies('identity:one-resolver', 'sends its token and the allow-listed cookies of the caller together', async () => {
    await using idp = await startOauthServer()
    await using upstream = await startRawMcpServer()
    const seed = readFileSync(new URL('../seeds/001-configuration.json.txt', import.meta.url), 'utf8')
    await using gateway = await boot({
      env: { SECRET: 'client-secret' },
      config: seed
        .replace('https://tools.company.com/mcp', upstream.url)
        .replace('https://auth.company.com/oauth2/token', idp.tokenUrl),
    })
    const key = await gateway.makeKey({ object_permission: { mcp_servers: ['protected_tools'] } })
    const callAs = (cookie: string) =>
      gateway.json('/mcp-rest/tools/call', { ...callOf('protected_tools'), key, headers: { cookie } })
    await callAs('session_id=abc; tracking=no; user_id=42')
    await callAs('session_id=xyz; user_id=43')

    expect(upstream.received('tools/call').map(({ headers }) => [headers.authorization, headers.cookie])).toEqual([
      ['Bearer token-1', 'session_id=abc; user_id=42'],
      ['Bearer token-1', 'session_id=xyz; user_id=43'],
    ])
    // Two people by their cookies: each has a session of its own.
    expect(upstream.received('initialize').filter(({ headers }) => headers.cookie !== undefined)).toHaveLength(2)
    expect(idp.requests[0]?.form.get('client_secret')).toBe('client-secret')
    expect(idp.requests).toHaveLength(1)
  })
})

describe('oauth2 without client credentials', () => {
  verifies(
    'list:outcome-per-server',
    'is a sign-in to do, in lists, in health and at the call, and no failure',
    async () => {
      await using upstream = await startRawMcpServer()
      await using open = await startRawMcpServer()
      await using gateway = await boot({
        config: {
          mcp_servers: {
            personal: { url: upstream.url, auth_type: 'oauth2' },
            open: { url: open.url },
          },
        },
      })
      const { tools, error, _meta: meta } = await gateway.json('/mcp-rest/tools/list')
      expect(tools).toMatchObject([{ name: 'echo', mcp_info: { server_name: 'open' } }])
      expect(error).toBe('partial_failure')
      expect(meta).toMatchObject({
        'toolgate/outcomes': [
          {
            server_name: 'personal',
            status: 'needs_auth',
            message: expect.stringContaining('x-mcp-personal-authorization'),
          },
          { server_name: 'open', status: 'ok' },
        ],
      })
      const health = await gateway.request('/v1/mcp/server/health')
      expect(await health.json()).toMatchObject([
        { server_name: 'personal', status: 'needs_auth' },
        { server_name: 'open', status: 'healthy' },
      ])
      expect(await gateway.json('/mcp-rest/tools/call', { ...callOf('personal'), status: 401 })).toMatchObject({
        detail: { error: 'upstream_sign_in_required', server: 'personal' },
      })
      await gateway.json('/mcp-rest/tools/list?server_id=personal', { status: 401 })
      expect(upstream.requests).toEqual([])

      // What the upstream itself says about how to sign in travels on.
      upstream.answer(() => ({ status: 401, headers: { 'www-authenticate': 'Bearer realm="upstream"' } }))
      const refused = await gateway.request('/mcp-rest/tools/call', {
        ...callOf('personal'),
        headers: { authorization: 'Bearer expired' },
      })
      expect(refused.status).toBe(401)
      expect(refused.headers.get('www-authenticate')).toBe('Bearer realm="upstream"')
    },
  )
})
