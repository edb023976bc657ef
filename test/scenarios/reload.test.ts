import { setImmediate } from 'node:timers/promises'
import { type RawRequest, resultFor, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { describe, expect, vi } from 'vitest'
import { boot, type Booted, recordingLog } from '../boot.ts'
import { verifies } from '../verifies.ts'

const nothing = { added: [], changed: [], removed: [] }
const callOf = (server: string) => ({ body: { server_id: server, name: 'echo', arguments: { n: 1 } } })

const mock = (name: string, answer: string) => ({
  model_name: name,
  litellm_params: { model: 'mock/any', mock_response: answer },
})
const ask = (model: string) => ({ body: { model, messages: [{ role: 'user', content: 'hi' }] } })
const answering = (content: string) => ({ choices: [{ message: { content } }] })

/** An MCP server whose calls go on only after `release`. */
async function startHeldServer() {
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  const server = await startRawMcpServer(async (asked: RawRequest) => {
    if (asked.message['method'] !== 'tools/call') return undefined
    await released
    return { body: resultFor(asked, { content: [{ type: 'text', text: 'late' }] }) }
  })
  return {
    url: server.url,
    release,
    begun: () => vi.waitFor(() => expect(server.received('tools/call')).toHaveLength(1)),
    async [Symbol.asyncDispose]() {
      release()
      await server[Symbol.asyncDispose]()
    },
  }
}

const namesOf = async (gateway: Booted) => {
  const { tools } = await gateway.json('/v1/mcp/tools')
  return Array.isArray(tools) ? tools.map(({ name }) => name) : []
}

describe('POST /config/reload', () => {
  verifies(
    'reload:no-call-dropped',
    'lets a call finish on its server, which is changed or removed meanwhile',
    async () => {
      await using held = await startHeldServer()
      await using gone = await startHeldServer()
      await using next = await startRawMcpServer()
      await using gateway = await boot({
        config: { mcp_servers: { held: { url: held.url }, gone: { url: gone.url } } },
      })
      const calls = ['held', 'gone'].map((server) => gateway.json('/mcp-rest/tools/call', callOf(server)))
      await Promise.all([held.begun(), gone.begun()])

      const report = await gateway.reload({ mcp_servers: { held: { url: next.url }, fresh: { url: next.url } } })
      expect(report).toMatchObject({
        status: 'reloaded',
        servers: { added: ['fresh'], changed: ['held'], removed: ['gone'] },
        models: nothing,
        problems: [],
      })
      for (const server of ['held', 'fresh']) {
        expect(await gateway.json('/mcp-rest/tools/call', callOf(server))).toMatchObject({
          content: [{ text: '{"n":1}' }],
        })
      }
      expect(next.received('tools/call')).toHaveLength(2)
      expect((await gateway.request('/mcp-rest/tools/call', callOf('gone'))).status).toBe(403)

      held.release()
      gone.release()
      for (const answer of await Promise.all(calls)) expect(answer).toMatchObject({ content: [{ text: 'late' }] })
    },
  )

  verifies('reload:no-call-dropped', 'leaves the connections of what did not change alone', async () => {
    await using server = await startRawMcpServer()
    const one = { url: server.url, description: 'the same' }
    await using gateway = await boot({ config: { mcp_servers: { one } } })
    await gateway.json('/mcp-rest/tools/call', callOf('one'))
    const handshakes = server.received('initialize').length
    expect(await gateway.reload({ mcp_servers: { one, two: { url: server.url } } })).toMatchObject({
      servers: { ...nothing, added: ['two'] },
    })
    await gateway.json('/mcp-rest/tools/call', callOf('one'))
    expect(server.received('initialize').length).toBe(handshakes)
  })

  verifies(
    'reload:all-or-nothing',
    'of a file with errors answers 422 with every place and changes nothing',
    async () => {
      await using server = await startRawMcpServer()
      const log = recordingLog()
      const good = {
        mcp_servers: { one: { url: server.url } },
        model_list: [mock('m', 'before')],
        virtual_keys: [{ key: 'sk-of-the-team-0123456789', mcp_servers: ['one'] }],
      }
      await using gateway = await boot({ config: good, log })
      const bad = 'mcp_servers: {}\nvirtual_keys: [{key: sk-short}]\ngeneral_settings: {mcp_tool_prefix: sometimes}'
      const { detail } = await gateway.reload(bad, { status: 422 })
      expect(detail).toEqual([
        expect.objectContaining({ loc: ['config', 'test.yaml', 3, 20], type: 'configuration_error' }),
        expect.objectContaining({
          loc: ['config', 'test.yaml', 2, 17],
          msg: expect.stringContaining('test.yaml:2:17 virtual_keys[0].key is refused'),
        }),
      ])
      await gateway.reload('mcp_servers: [', { status: 422 })
      const team = { ...callOf('one'), key: 'sk-of-the-team-0123456789' }
      expect(await gateway.json('/mcp-rest/tools/call', team)).toMatchObject({ content: [{ text: '{"n":1}' }] })
      expect(await gateway.json('/v1/chat/completions', ask('m'))).toMatchObject(answering('before'))
      const written = log.lines.join('\n')
      expect(written).toContain('configuration not reloaded: it has errors')
      expect(written).not.toContain('sk-short')
    },
  )

  verifies('reload:all-or-nothing', 'refuses an empty file, which is one that is being written', async () => {
    await using server = await startRawMcpServer()
    const key = 'sk-of-the-team-0123456789'
    const config = {
      mcp_servers: { one: { url: server.url } },
      virtual_keys: [{ key, mcp_servers: ['one'] }],
      general_settings: { config_watch: true },
    }
    await using gateway = await boot({ config })
    for (const empty of ['', '\n', '# mcp_servers: {}\n', '---\n', 'null']) {
      const { detail } = await gateway.reload(empty, { status: 422 })
      expect(detail).toEqual([expect.objectContaining({ msg: expect.stringContaining('is empty') })])
    }
    expect(await gateway.json('/mcp-rest/tools/call', { ...callOf('one'), key })).toMatchObject({
      content: [{ text: '{"n":1}' }],
    })
    expect(gateway.services.live.current.config.configWatch).toBe(true)
    expect(await gateway.reload('{}')).toMatchObject({ servers: { removed: ['one'] } })
  })

  verifies('reload:settings', 'of the watch never turns the watch off; of the route it does', async () => {
    const log = recordingLog()
    await using gateway = await boot({ config: { general_settings: { config_watch: true } }, log })
    const text = '{litellm_settings: {require_auth_for_metrics_endpoint: false}}'
    gateway.rewrite(text)
    await gateway.services.reload.run('watch')
    const { live } = gateway.services
    expect(live.current.config).toMatchObject({ configWatch: true, publicMetrics: true })
    expect(log.lines.join('\n')).toContain('no longer has config_watch')
    expect(await gateway.reload(text)).toMatchObject({ settings: ['general_settings.config_watch'] })
    expect(live.current.config.configWatch).toBe(false)
  })

  verifies('reload:keys', 'disables a key that left the file at once, and takes over others', async () => {
    const [stays, leaves, comes] = ['sk-that-stays-0123456', 'sk-that-leaves-0123456', 'sk-that-comes-0123456']
    await using gateway = await boot({ config: { virtual_keys: [{ key: stays }, { key: leaves }] } })
    const statusWith = async (key: string) => (await gateway.request('/v1/models', { key })).status
    expect(await Promise.all([stays, leaves, comes].map(statusWith))).toEqual([200, 200, 401])
    expect(await gateway.reload({ virtual_keys: [{ key: stays, models: ['m'] }, { key: comes }] })).toMatchObject({
      keys: { added: 1, changed: 1, disabled: 1, refused: 0 },
    })
    expect(await Promise.all([stays, leaves, comes].map(statusWith))).toEqual([200, 401, 200])
    await gateway.reload({ virtual_keys: [{ key: leaves }] })
    expect(await statusWith(leaves)).toBe(200)
  })

  verifies('reload:models', 'swaps models, and a stream under way goes on with the one it began with', async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>()
    const piece = (content: string) =>
      `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content } }] })}\n\n`
    await using provider = await startRawMcpServer(() => ({
      events: (async function* () {
        yield piece('first')
        await released
        yield piece('last')
        yield 'data: [DONE]\n\n'
      })(),
    }))
    const params = { model: 'openai/held', api_key: 'none', api_base: new URL('/v1', provider.url).href }
    await using gateway = await boot({
      config: { model_list: [{ model_name: 'held', litellm_params: params }, mock('kept', 'a'), mock('gone', 'b')] },
    })
    const stream = await gateway.request('/v1/chat/completions', {
      body: { ...ask('held').body, stream: true },
    })
    expect(
      await gateway.reload({ model_list: [mock('held', 'another'), mock('kept', 'a'), mock('fresh', 'c')] }),
    ).toMatchObject({ models: { added: ['fresh'], changed: ['held'], removed: ['gone'] } })
    expect(await gateway.json('/v1/chat/completions', ask('held'))).toMatchObject(answering('another'))
    expect(await gateway.json('/v1/chat/completions', ask('fresh'))).toMatchObject(answering('c'))
    expect((await gateway.request('/v1/chat/completions', ask('gone'))).status).toBe(400)
    release()
    expect(await stream.text()).toMatch(/"first"[\s\S]*"last"[\s\S]*data: \[DONE\]/)
  })

  verifies('reload:settings', 'applies settings, and says which of them wait for a restart', async () => {
    await using server = await startRawMcpServer()
    const mcp_servers = { one: { url: server.url } }
    await using gateway = await boot({ config: { mcp_servers } })
    const key = await gateway.makeKey()
    const metricsStatus = async () => (await gateway.request('/metrics', { key: null })).status
    expect(await namesOf(gateway)).toEqual(['one-echo'])
    expect(await metricsStatus()).toBe(401)
    expect((await gateway.request('/mcp-rest/tools/call', { ...callOf('one'), key })).status).toBe(403)

    const changed = {
      mcp_servers,
      general_settings: {
        mcp_tool_prefix: 'when_ambiguous',
        mcp_default_access: 'all',
        litellm_key_header_name: 'x-company-key',
        master_key: 'sk-another-master-key',
      },
      litellm_settings: { require_auth_for_metrics_endpoint: false },
      environment_variables: { MCP_TOOL_PREFIX_SEPARATOR: '__', PORT: '5000' },
    }
    const needRestart = ['general_settings.master_key', 'PORT']
    expect(await gateway.reload(changed)).toMatchObject({
      settings: [
        'general_settings.litellm_key_header_name',
        'general_settings.mcp_default_access',
        'general_settings.mcp_tool_prefix',
        'litellm_settings.require_auth_for_metrics_endpoint',
        'MCP_TOOL_PREFIX_SEPARATOR',
      ],
      needs_restart: needRestart,
    })
    expect(await namesOf(gateway)).toEqual(['echo'])
    expect(await metricsStatus()).toBe(200)
    const headers = { 'x-company-key': key }
    expect((await gateway.request('/mcp-rest/tools/call', { ...callOf('one'), key: null, headers })).status).toBe(200)
    expect((await gateway.request('/v1/models', { key: 'sk-another-master-key' })).status).toBe(401)
    // It is said until it is done.
    expect(await gateway.reload(changed)).toMatchObject({ settings: [], needs_restart: needRestart })
    expect(await gateway.reload({ mcp_servers })).toMatchObject({ needs_restart: [] })
    expect(await metricsStatus()).toBe(401)
  })

  verifies('reload:settings', 'leaves in force all of a setting that waits for a restart', async () => {
    await using gateway = await boot()
    const ping = { headers: { host: 'elsewhere.example.com' }, body: { jsonrpc: '2.0', id: 1, method: 'ping' } }
    expect((await gateway.request('/mcp', ping)).status).toBe(403)
    const environment_variables = { HOST: '0.0.0.0', PROXY_BASE_URL: 'https://elsewhere.example.com' }
    for (let round = 0; round < 2; round += 1) {
      expect(await gateway.reload({ environment_variables })).toMatchObject({
        needs_restart: ['HOST', 'PROXY_BASE_URL and SERVER_ROOT_PATH'],
      })
      // It listens where it did, and on this machine alone.
      expect((await gateway.request('/mcp', ping)).status).toBe(403)
    }
  })

  verifies(
    'reload:all-or-nothing',
    'sets a server aside that cannot be used, with its place, and loads the others',
    async () => {
      await using server = await startRawMcpServer()
      await using gateway = await boot({ config: {} })
      const { problems } = await gateway.reload(
        `mcp_servers:\n  bad: {transport: stdio}\n  good: {url: '${server.url}'}`,
      )
      expect(problems).toEqual(['test.yaml:2:3 mcp_servers.bad.command is missing; it must be a string.'])
      expect(await gateway.json('/mcp-rest/tools/call', callOf('good'))).toMatchObject({ content: [{}] })
    },
  )

  verifies(
    'reload:one-at-a-time',
    'asked for many times at once runs twice at most, and every answer is of the last file',
    async () => {
      const log = recordingLog()
      await using gateway = await boot({ config: { model_list: [] }, log })
      const answers = await Promise.all(
        Array.from({ length: 20 }, () => gateway.reload({ model_list: [mock('m', 'x')] })),
      )
      expect(answers.every(({ status }) => status === 'reloaded')).toBe(true)
      const runs = log.lines.filter((line) => line.includes('configuration reloaded'))
      expect(runs.length).toBeLessThanOrEqual(2)
      expect(await gateway.json('/v1/chat/completions', ask('m'))).toMatchObject(answering('x'))
    },
  )

  verifies('reload:no-call-dropped', 'does nothing while the gateway drains', async () => {
    await using gateway = await boot({ config: { model_list: [mock('m', 'x')] } })
    gateway.services.lifecycle.enter('draining')
    await expect(gateway.services.reload.run('signal')).rejects.toMatchObject({ code: 'SHUTTING_DOWN' })
  })

  verifies(
    'reload:no-call-dropped',
    'loses none of many calls that run while servers are changed again and again',
    async () => {
      await using server = await startRawMcpServer()
      const config = (description: string) => ({ mcp_servers: { one: { url: server.url, description } } })
      await using gateway = await boot({ config: config('0') })
      const stop = new AbortController()
      const caller = async () => {
        const statuses = new Set<number>()
        while (!stop.signal.aborted) {
          statuses.add((await gateway.request('/mcp-rest/tools/call', callOf('one'))).status)
          // A refusal costs no turn of the event loop: without one, nothing else would ever run.
          await setImmediate()
        }
        return [...statuses]
      }
      const callers = Promise.all(Array.from({ length: 8 }, caller))
      for (let round = 1; round <= 20; round += 1) await gateway.reload(config(String(round)))
      stop.abort()
      expect((await callers).flat().every((status) => status === 200)).toBe(true)
    },
  )
})

verifies(
  'reload:settings',
  'a reload changes what keys of the API get that ask for nothing, and what they may ask for',
  async () => {
    await using gateway = await boot()
    await gateway.json('/key/generate', { body: { max_budget: 5 } })
    await gateway.reload({
      litellm_settings: {
        default_key_generate_params: { models: ['m'] },
        upperbound_key_generate_params: { max_budget: 1 },
      },
    })
    expect(await gateway.json('/key/generate', { body: { max_budget: 1 } })).toMatchObject({ models: ['m'] })
    expect((await gateway.request('/key/generate', { body: { max_budget: 5 } })).status).toBe(400)
  },
)
