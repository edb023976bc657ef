import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Clock, systemClock } from '@toolgate/core'
import { startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { startOauthServer } from '@toolgate/testing/oauth-server'
import { describe, expect, it, vi } from 'vitest'
import { boot, recordingLog } from '../boot.ts'
import { verifies } from '../verifies.ts'

const callOf = (server: string) => ({ body: { server_id: server, name: 'echo', arguments: { message: 'hi' } } })

/** A port where nobody listens: it was free a moment ago. */
async function deadAddress(): Promise<string> {
  await using server = await startRawMcpServer()
  return server.url
}

describe('the health of MCP servers', () => {
  verifies('health:honest', 'tells down from up, and a missing sign-in from both', async () => {
    await using good = await startRawMcpServer()
    await using refusing = await startRawMcpServer(() => ({ status: 401 }))
    await using gateway = await boot({
      config: {
        mcp_servers: {
          good: { url: good.url },
          dead: { url: await deadAddress() },
          refusing: { url: refusing.url, auth_type: 'bearer_token', authentication_token: 'wrong-credential' },
          mine: { url: refusing.url, auth_type: 'oauth2' },
        },
      },
    })
    const { mcp_servers: servers } = await gateway.json('/health/latest')
    expect(servers).toMatchObject([
      { server_name: 'good', status: 'healthy', circuit: 'closed', stage: null, health_check_error: null },
      { server_name: 'dead', status: 'unhealthy', stage: 'connect', health_check_error: expect.any(String) },
      { server_name: 'refusing', status: 'unhealthy', health_check_error: expect.stringContaining('401') },
      { server_name: 'mine', status: 'needs_auth' },
    ])
    expect(JSON.stringify(servers)).not.toContain('wrong-credential')
    const metrics = await (await gateway.request('/metrics')).text()
    expect(metrics).toContain('toolgate_mcp_server_status{server="good",status="healthy"} 1')
    expect(metrics).toContain('toolgate_mcp_server_status{server="dead",status="healthy"} 0')
    expect(metrics).toContain('toolgate_mcp_server_circuit{server="dead",state="closed"} 1')
    expect(metrics).toContain('toolgate_mcp_refresh_failures_total{server="dead",kind="tools",outcome="unreachable"} 1')
    await vi.waitFor(async () => {
      const written = await (await gateway.request('/metrics')).text()
      expect(written).toContain('toolgate_mcp_list_version{server="good",kind="tools"} 1')
    })
  })

  verifies('health:honest', 'is unhealthy at the credential where the service’s own token cannot be had', async () => {
    await using server = await startRawMcpServer()
    await using tokens = await startOauthServer()
    tokens.answer(() => ({ status: 500, body: {} }))
    await using gateway = await boot({
      config: {
        mcp_servers: {
          machine: {
            url: server.url,
            auth_type: 'oauth2',
            token_url: tokens.tokenUrl,
            client_id: 'id',
            client_secret: 'hush-hush-secret',
          },
        },
      },
    })
    const { mcp_servers: servers } = await gateway.json('/health/latest')
    expect(servers).toMatchObject([{ status: 'unhealthy', stage: 'credential', circuit: 'closed' }])
    expect(JSON.stringify(servers)).not.toContain('hush-hush-secret')
    expect(server.requests).toEqual([])
  })

  verifies('health:honest', 'turns with the server, and remembers when', async () => {
    await using server = await startRawMcpServer()
    const clock = fakeClock()
    const ours: Clock = { ...systemClock, now: clock.now }
    const log = recordingLog()
    await using gateway = await boot({ clock: ours, config: { mcp_servers: { one: { url: server.url } } }, log })
    const probe = () => {
      clock.advance(1_000)
      return gateway.request('/v1/mcp/server/health')
    }
    server.answer(() => ({ status: 500, body: 'oops' }))
    await probe()
    server.answer(() => undefined)
    await probe()
    const { mcp_servers: changes, total_mcp_records: total } = await gateway.json('/health/history')
    expect(changes).toMatchObject([{ status: 'healthy' }, { status: 'unhealthy' }, { status: 'healthy' }])
    expect(total).toBe(3)
    expect(await gateway.json('/health/history?status_filter=unhealthy')).toMatchObject({ total_mcp_records: 1 })
    expect(await gateway.json('/health/history?status_filter=needs_auth')).toMatchObject({ total_mcp_records: 0 })
    const told = log.lines.filter((line) => line.includes('server is'))
    expect(told).toEqual([expect.stringContaining('server is down'), expect.stringContaining('server is back')])
  })

  verifies(
    'health:honest',
    'tells administrators what the system called it, callers not, and the log once',
    async () => {
      const log = recordingLog()
      await using gateway = await boot({
        config: { mcp_servers: { dead: { url: await deadAddress() }, gone: { command: '/nowhere/to/be/found' } } },
        log,
      })
      const causes = { dead: 'ECONNREFUSED', gone: 'ENOENT' }
      const key = await gateway.makeKey({ object_permission: { mcp_servers: Object.keys(causes) } })
      const { mcp_servers: servers } = await gateway.json('/health/latest')
      for (const [server, cause] of Object.entries(causes)) {
        expect(servers).toContainEqual(expect.objectContaining({ server_name: server, cause }))
        for (let count = 0; count < 20; count += 1) await gateway.request('/mcp-rest/tools/call', callOf(server))
        const shown = await gateway.json(`/v1/mcp/server/${server}`)
        expect(shown).toMatchObject({ status: 'unhealthy', diagnostics: { cause } })
        for (const path of [`/v1/mcp/server/${server}`, '/v1/mcp/server/health', '/v1/mcp/server']) {
          expect(await (await gateway.request(path, { key })).text()).not.toContain(cause)
        }
        const lines = log.lines.filter((line) => line.includes(`"server":"${server}"`) && line.includes('server is'))
        expect(lines[0]).toContain(`"cause":"${cause}"`)
        // One that it is down, one that calls are refused.
        expect(lines.length).toBeLessThanOrEqual(2)
      }
      const { mcp_servers: changes } = await gateway.json('/health/history')
      expect(changes).toContainEqual(expect.objectContaining({ server_name: 'dead', circuit: 'open' }))
    },
  )
})

describe('a server that cannot be reached', () => {
  verifies(
    'circuit:fails-fast',
    'is refused at once after five failures, by name and with the time of the next try',
    async () => {
      const dead = await deadAddress()
      await using good = await startRawMcpServer()
      await using gateway = await boot({ config: { mcp_servers: { dead: { url: dead }, good: { url: good.url } } } })
      for (let count = 0; count < 5; count += 1) await gateway.request('/mcp-rest/tools/call', callOf('dead'))
      const refused = await gateway.json('/mcp-rest/tools/call', { ...callOf('dead'), status: 502 })
      expect(JSON.stringify(refused)).toMatch(/"dead\\" has not been reached since .* next attempt is in \d+ s/)
      const { mcp_servers: servers } = await gateway.json('/health/latest')
      expect(servers).toMatchObject([
        { server_name: 'dead', status: 'unhealthy', circuit: 'open' },
        { server_name: 'good', status: 'healthy', circuit: 'closed' },
      ])
      await gateway.json('/mcp-rest/tools/call', callOf('good'))
    },
  )

  verifies('circuit:fails-fast', 'is let in again by one attempt, and by whoever asks how it is', async () => {
    const clock = fakeClock()
    let up = false
    await using server = await startRawMcpServer(() => (up ? undefined : { status: 503 }))
    // Time of timers is the machine's; what they are compared with moves when the test says so.
    const ours: Clock = { ...systemClock, now: clock.now, monotonic: clock.monotonic }
    await using gateway = await boot({ clock: ours, config: { mcp_servers: { one: { url: server.url } } } })
    const health = async () => (await gateway.json('/health/latest'))['mcp_servers']
    const call = async () => (await gateway.request('/mcp-rest/tools/call', callOf('one'))).status
    // What is no failure of the socket may be one caller's own: it counts once for each.
    for (let count = 0; count < 6; count += 1) await call()
    expect(await health()).toMatchObject([{ circuit: 'closed' }])
    for (let count = 0; count < 4; count += 1) {
      const key = await gateway.makeKey({ object_permission: { mcp_servers: ['one'] } })
      await gateway.request('/mcp-rest/tools/call', { ...callOf('one'), key })
    }
    expect(await health()).toMatchObject([{ circuit: 'open' }])
    const asked = server.requests.length
    expect(await call()).toBe(502)
    expect(server.requests).toHaveLength(asked)

    up = true
    expect(await call()).toBe(502)
    clock.advance(5_000)
    expect(await health()).toMatchObject([{ circuit: 'half_open' }])
    expect(await call()).toBe(200)
    expect(await health()).toMatchObject([{ circuit: 'closed' }])

    up = false
    clock.advance(1_000)
    await gateway.request('/v1/mcp/server/health')
    for (let count = 0; count < 6; count += 1) await call()
    up = true
    clock.advance(1_000)
    const probed = await gateway.request('/v1/mcp/server/health')
    expect(await probed.json()).toMatchObject([{ status: 'healthy' }])
    expect(await call()).toBe(200)
  })
})

describe('a client that hangs up while servers are asked', () => {
  it.each(['/v1/mcp/server/health', '/mcp-rest/tools/list?server_id=one'])('is no fault of ours: %s', async (path) => {
    const { promise: held, resolve: release } = Promise.withResolvers<void>()
    let hold = false
    await using server = await startRawMcpServer(async () => {
      if (hold) await held
      return undefined
    })
    const log = recordingLog()
    await using gateway = await boot({ log, config: { mcp_servers: { one: { url: server.url } } } })
    hold = true
    const outgoing = new ServerResponse(new IncomingMessage(new Socket()))
    const headers = { 'x-litellm-api-key': gateway.masterKey }
    const answered = gateway.app.request(path, { headers }, { outgoing })
    setTimeout(() => outgoing.emit('close'), 100)
    const { status } = await answered
    release()
    expect(status).not.toBe(500)
    expect(log.lines.join('\n')).not.toContain('INTERNAL')
  })
})

describe('probes of the process', () => {
  it('are public, tell little, and work with OPTIONS', async () => {
    await using gateway = await boot()
    for (const method of ['GET', 'OPTIONS']) {
      for (const path of ['/health/liveliness', '/health/liveness']) {
        expect(await gateway.json(path, { method, key: null })).toBe("I'm alive!")
      }
      expect(await gateway.json('/health/readiness', { method, key: null })).toEqual({
        status: 'healthy',
        db: 'connected',
      })
    }
    expect(await gateway.json('/test', { key: null })).toEqual({ route: '/test' })
    expect((await gateway.request('/health/readiness/details', { key: null })).status).toBe(401)
    expect(await gateway.json('/health/readiness/details', { key: await gateway.makeKey() })).toMatchObject({
      status: 'healthy',
      db: 'connected',
      litellm_version: expect.any(String),
      last_updated: expect.any(String),
    })
  })

  it('tell everybody the details where the file says so', async () => {
    await using gateway = await boot({ config: { general_settings: { allow_public_health_readiness_details: true } } })
    expect(await gateway.json('/health/readiness', { key: null })).toHaveProperty('litellm_version')
  })

  it('turn while the gateway drains, which a request may ask for only where the file says so', async () => {
    await using closed = await boot()
    expect((await closed.request('/health/drain', { key: null })).status).toBe(404)
    expect((await closed.request('/health/readiness')).status).toBe(200)

    await using gateway = await boot({ config: { general_settings: { enable_drain_endpoint: true } } })
    expect(await gateway.json('/health/drain', { key: null })).toEqual({ status: 'draining', in_flight_requests: 0 })
    const live = await gateway.request('/health/liveliness', { key: null })
    expect([live.status, await live.json()]).toEqual([503, { status: 'shutting_down' }])
    expect((await gateway.request('/health/readiness', { key: null })).status).toBe(503)
    expect((await gateway.request('/v1/models')).status).toBe(503)
  })

  it('say what is absent as what it is', async () => {
    await using gateway = await boot()
    const key = await gateway.makeKey()
    expect(await gateway.json('/health/shared-status', { key })).toMatchObject({ shared_health_check_enabled: false })
    expect(await gateway.json('/health/license', { key })).toMatchObject({ has_license: false })
    for (const path of ['/health/services', '/health/services?service=slack', '/cache/ping', '/cache/redis/info']) {
      const answer = await gateway.json(path, { key, status: 400 })
      expect(JSON.stringify(answer)).toMatch(/configured|name the/)
    }
  })
})

describe('the health of models', () => {
  const model = (model_name: string, mock: string, extra: object = {}) => ({
    model_name,
    litellm_params: { model: mock, ...extra },
  })
  const config = {
    model_list: [
      model('good', 'mock/echo'),
      model('bad', 'openai/gone', { api_base: 'http://127.0.0.1:9/v1', api_key: 'sk-provider-secret' }),
      model('any/*', 'openai/*', { api_key: 'sk-provider-secret' }),
    ],
  }

  it('is found by asking each, when an administrator asks, and is remembered', async () => {
    await using gateway = await boot({ config })
    expect(await gateway.json('/health/latest')).toMatchObject({ total_models: 0 })
    const report = await gateway.json('/health')
    expect(report).toMatchObject({
      healthy_count: 1,
      unhealthy_count: 1,
      healthy_endpoints: [{ model_name: 'good', latency_ms: expect.any(Number) }],
      unhealthy_endpoints: [{ model_name: 'bad', model: 'openai/gone', error: expect.any(String) }],
      unchecked_endpoints: [{ model_name: 'any/*', reason: expect.any(String) }],
    })
    expect(JSON.stringify(report)).not.toContain('sk-provider-secret')
    expect(await gateway.json('/health?model=good')).toMatchObject({ healthy_count: 1, unhealthy_count: 0 })
    expect(await gateway.json('/health/latest')).toMatchObject({ total_models: 2 })
    const history = await gateway.json('/health/history?model=good&limit=1')
    expect(history).toMatchObject({ total_records: 2, health_checks: [{ model_name: 'good', status: 'healthy' }] })
    expect((await gateway.request('/health?model=none')).status).toBe(400)
    expect((await gateway.request('/health/history?limit=x')).status).toBe(400)
  })

  it('of one that is not configured is tried for an administrator, and no key of ours goes to its address', async () => {
    const env = { OPENAI_API_KEY: 'sk-our-own-provider-key' }
    await using gateway = await boot({ config, env })
    const trial = (litellm_params: object, status = 200) =>
      gateway.json('/health/test_connection', { body: { litellm_params }, status })
    expect(await trial({ model: 'mock/echo' })).toMatchObject({ status: 'success' })
    const body = { litellm_params: { model: 'mock/echo' } }
    expect((await gateway.request('/health/test_connection', { body, key: await gateway.makeKey() })).status).toBe(403)
    expect((await gateway.request('/health/test_connection', { body: {} })).status).toBe(400)
    await trial({ model: 'nobody/knows' }, 400)

    await using stranger = await startRawMcpServer(() => ({ status: 500, body: 'no' }))
    const refused = await trial({ model: 'openai/x', api_base: stranger.url, api_key: 'sk-given' })
    expect(refused).toMatchObject({ status: 'error' })
    expect(stranger.requests).toEqual([])

    const general_settings = { mcp_allowed_private_networks: ['127.0.0.0/8'] }
    await using open = await boot({ config: { ...config, general_settings }, env })
    const tried = { litellm_params: { model: 'openai/x', api_base: stranger.url } }
    expect(await open.json('/health/test_connection', { body: tried })).toMatchObject({ status: 'error' })
    expect(stranger.requests.length).toBeGreaterThan(0)
    for (const { raw } of stranger.requests) expect(raw).not.toContain('sk-our-own-provider-key')
  })

  it('of one that is not configured finds neither files nor variables of the gateway for a strange address', async () => {
    await using stranger = await startRawMcpServer(() => ({ status: 500, body: 'no' }))
    const general_settings = { mcp_allowed_private_networks: ['127.0.0.0/8'] }
    await using gateway = await boot({ config: { general_settings } })
    const trial = (litellm_params: object) => gateway.json('/health/test_connection', { body: { litellm_params } })
    const api_base = stranger.url.replace(/\/mcp$/, '')

    // What a library looks for by itself.
    vi.stubEnv('AWS_BEARER_TOKEN_BEDROCK', 'our-own-bedrock-key')
    const aws = { aws_access_key_id: 'given', aws_secret_access_key: 'given' }
    await trial({ model: 'bedrock/x', api_base, ...aws }).finally(() => vi.unstubAllEnvs())
    expect(stranger.requests.length).toBeGreaterThan(0)
    for (const { raw } of stranger.requests) expect(raw).not.toContain('our-own-bedrock-key')

    const folder = mkdtempSync(join(tmpdir(), 'toolgate-google-'))
    const vertex_credentials = join(folder, 'account.json')
    const account = { type: 'service_account', client_email: 'a@example.com', private_key: 'none' }
    writeFileSync(vertex_credentials, JSON.stringify(account))
    const vertex = { model: 'vertex_ai/x', vertex_project: 'p', vertex_credentials, api_base }
    const told = await trial(vertex).finally(() => rmSync(folder, { recursive: true }))
    // As of a file that is not there.
    expect(told).toEqual(await trial(vertex))
  })
})
