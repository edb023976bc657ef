import { type RawMcpServer, resultFor, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { type SdkMcpServer, startMcpServer } from '@toolgate/testing/mcp-server'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { version } from '../../apps/proxy/src/version.ts'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'

/** A server with tools of these names, each of which returns its arguments. */
function offering(...names: string[]): Promise<RawMcpServer> {
  const tools = names.map((name) => ({ name, inputSchema: { type: 'object' }, 'x-unknown': { kept: name } }))
  return startRawMcpServer((request) =>
    request.message['method'] === 'tools/list' ? { body: resultFor(request, { tools }) } : undefined,
  )
}

/** What the server was last asked to call. */
function lastCall(server: RawMcpServer): unknown {
  return server.received('tools/call').at(-1)?.message['params']
}

const toolList = z.object({
  tools: z.array(z.looseObject({ name: z.string(), mcp_info: z.looseObject({ server_name: z.string() }) })),
})

let alpha: SdkMcpServer
let beta: RawMcpServer
let hidden: RawMcpServer
let delegate: RawMcpServer
let gateway: Booted
/** May use everything but `hidden`. */
let key: string

beforeAll(async () => {
  alpha = await startMcpServer({ sessions: false, json: true })
  beta = await offering('echo', 'beta_only')
  hidden = await offering('echo', 'secret_tool')
  delegate = await offering('whose')
  gateway = await boot({
    config: {
      mcp_servers: {
        alpha: { url: alpha.url, alias: 'al', server_id: 'id-alpha', mcp_info: { logo_url: 'https://logo' } },
        beta: { url: beta.url, auth_type: 'bearer_token', auth_value: 'beta-static-secret' },
        hidden: { url: hidden.url },
        delegate: {
          url: delegate.url,
          extra_headers: ['Authorization'],
          static_headers: { 'x-tenant': 'tenant-static-secret' },
        },
      },
    },
  })
  key = await gateway.makeKey({ object_permission: { mcp_servers: ['alpha', 'beta', 'delegate'] } })
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  for (const server of [alpha, beta, hidden, delegate]) await server[Symbol.asyncDispose]()
})

async function listed(query = '', as = key) {
  const { tools } = toolList.parse(await gateway.json(`/mcp-rest/tools/list${query}`, { key: as }))
  return tools.map(({ name, mcp_info }) => `${mcp_info.server_name}/${name}`)
}

/** Status and body of a refused request; names that were asked for are replaced, so that answers can be compared. */
async function refusal(path: string, { as = key, asked, body }: { as?: string; asked: string; body?: object }) {
  const response = await gateway.request(path, { key: as, ...(body !== undefined && { body }) })
  const text = await response.text()
  return { status: response.status, body: text.replaceAll(asked, '<asked>') }
}

const call = (body: object, status = 200, headers: Record<string, string> = {}) =>
  gateway.json('/mcp-rest/tools/call', { key, body, status, headers })

describe('GET /mcp-rest/tools/list', () => {
  verifies(
    'rest:tools',
    'lists the tools of every permitted server by their own names, beside their server',
    async () => {
      const answer = await gateway.json('/mcp-rest/tools/list', { key })
      expect(answer).toMatchObject({
        error: null,
        message: 'Successfully retrieved tools',
        tools: expect.arrayContaining([
          {
            name: 'echo',
            description: 'Returns `message`.',
            inputSchema: { type: 'object' },
            mcp_info: { logo_url: 'https://logo', server_name: 'alpha', server_id: 'id-alpha', alias: 'al' },
          },
          expect.objectContaining({
            name: 'beta_only',
            'x-unknown': { kept: 'beta_only' },
            mcp_info: expect.objectContaining({ server_name: 'beta', alias: null }),
          }),
        ]),
      })
      const names = await listed()
      expect(names).toEqual(expect.arrayContaining(['alpha/echo', 'beta/echo', 'delegate/whose']))
      expect(names.filter((name) => name.startsWith('hidden'))).toEqual([])
    },
  )

  it.each(['?server_id=id-alpha', '?server_id=alpha', '?server_id=al', '?mcp_server_name=alpha'])(
    'lists one server for %s',
    async (query) => {
      const names = await listed(query)
      expect(names).toHaveLength(6)
      expect(names).toContain('alpha/whoami')
      expect(names.every((name) => name.startsWith('alpha/'))).toBe(true)
    },
  )

  verifies('access:list-equals-call', 'answers a forbidden server exactly as one that does not exist', async () => {
    for (const path of ['/mcp-rest/tools/list?server_id=', '/mcp-rest/tools/list?mcp_server_name=']) {
      const forbidden = await refusal(`${path}hidden`, { asked: 'hidden' })
      const unknown = await refusal(`${path}no-such`, { asked: 'no-such' })
      expect(forbidden).toEqual(unknown)
      expect(forbidden).toMatchObject({ status: 403, body: expect.stringContaining('"error":"access_denied"') })
    }
    const forbidden = await refusal('/mcp-rest/tools/call', {
      asked: 'hidden',
      body: { server_id: 'hidden', name: 'echo' },
    })
    const unknown = await refusal('/mcp-rest/tools/call', {
      asked: 'no-such',
      body: { server_id: 'no-such', name: 'echo' },
    })
    expect(forbidden).toEqual(unknown)
    expect(forbidden.status).toBe(403)
    expect(hidden.received('tools/call')).toEqual([])
  })
})

describe('POST /mcp-rest/tools/call', () => {
  verifies('rest:tools', 'calls a tool by server and name, with or without a prefix of that server', async () => {
    for (const server of ['id-alpha', 'alpha', 'al']) {
      for (const name of ['echo', 'al-echo', 'alpha-echo', 'id-alpha-echo']) {
        const answer = await call({ server_id: server, name, arguments: { message: `${server} ${name}` } })
        expect(answer).toEqual({ content: [{ type: 'text', text: `${server} ${name}` }] })
      }
    }
  })

  verifies('access:list-equals-call', 'calls each tool that it lists by the name under which it lists it', async () => {
    await using upstream = await offering('run', 'tricky-run')
    await using own = await boot({ config: { mcp_servers: { tricky: { url: upstream.url } } } })
    const { tools } = toolList.parse(await own.json('/mcp-rest/tools/list'))
    expect(tools.map(({ name }) => name)).toEqual(['run', 'tricky-run'])
    for (const { name, mcp_info } of tools) {
      await own.json('/mcp-rest/tools/call', { body: { server_id: mcp_info.server_name, name } })
      expect(lastCall(upstream)).toMatchObject({ name })
    }
    const [introduction] = upstream.received('initialize')
    expect(introduction?.message['params']).toMatchObject({ clientInfo: { name: 'toolgate', version } })
  })

  it('takes a body that breaks off in its chunks for a client that went away, not for a fault of its own', async () => {
    const begun = new TextEncoder().encode('{"server_id": ')
    const body = new ReadableStream({
      start: (controller) => controller.enqueue(begun),
      pull: (controller) => controller.error(new Error('aborted')),
    })
    const headers = { 'x-litellm-api-key': key, 'transfer-encoding': 'chunked' }
    const response = await gateway.app.request('/mcp-rest/tools/call', {
      method: 'POST',
      headers,
      body,
      duplex: 'half',
    })
    expect(response.status).toBe(499)
  })

  it('says which field is missing, as LiteLLM does', async () => {
    for (const body of [{ name: 'echo' }, {}]) {
      expect(await call(body, 400)).toEqual({
        detail: expect.objectContaining({
          error: 'missing_parameter',
          message: 'server_id is required in request body',
        }),
      })
    }
    expect(await call({ server_id: 'beta' }, 400)).toMatchObject({
      detail: { error: 'missing_parameter', message: 'name is required in request body' },
    })
  })

  it('sends an empty object where arguments are null or absent', async () => {
    for (const given of [{ arguments: null }, {}]) {
      await call({ server_id: 'beta', name: 'echo', ...given })
      expect(lastCall(beta)).toEqual({ name: 'echo', arguments: {} })
    }
    expect(await call({ server_id: 'beta', name: 'echo', arguments: 'text' }, 400)).toMatchObject({
      detail: { error: 'invalid_request', field: 'arguments' },
    })
  })

  it('ignores the JSON-RPC fields that clients add, and refuses what is nearly a field of its own', async () => {
    const envelope = { jsonrpc: '2.0', id: 1, method: 'tools/call' }
    await call({ ...envelope, server_id: 'beta', name: 'echo', arguments: { a: 1 }, _meta: { trace: 't' } })
    expect(lastCall(beta)).toEqual({ name: 'echo', arguments: { a: 1 }, _meta: { trace: 't' } })
    const sent = beta.received('tools/call').length
    for (const [misspelt, meant] of [
      ['argument', 'arguments'],
      ['sever_id', 'server_id'],
      ['_mta', '_meta'],
    ] as const) {
      const { [meant]: value, ...others } = { server_id: 'beta', name: 'echo', arguments: {}, _meta: {} }
      expect(await call({ ...others, [misspelt]: value }, 400)).toMatchObject({
        detail: { error: 'invalid_request', message: `Unknown field "${misspelt}". Did you mean "${meant}"?` },
      })
    }
    expect(beta.received('tools/call')).toHaveLength(sent)
  })

  it.each(['', 'no json', '[]', '"text"', 'null'])('answers 400 to the body %j', async (body) => {
    const response = await gateway.request('/mcp-rest/tools/call', { key, method: 'POST', body })
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ detail: { error: 'invalid_request' } })
  })

  it('tells that a tool belongs to another server only where both are permitted', async () => {
    expect(await call({ server_id: 'alpha', name: 'beta-beta_only' }, 403)).toMatchObject({
      detail: {
        error: 'tool_server_mismatch',
        message: "Tool 'beta-beta_only' belongs to MCP server 'beta' but request specified server_id for 'alpha'.",
      },
    })
    const body = (name: string) => ({ server_id: 'alpha', name })
    const forbidden = await refusal('/mcp-rest/tools/call', { asked: 'hidden', body: body('hidden-secret_tool') })
    const unknown = await refusal('/mcp-rest/tools/call', { asked: 'no-such', body: body('no-such-secret_tool') })
    expect(forbidden).toEqual(unknown)
    expect(forbidden).toMatchObject({ status: 403, body: expect.stringContaining('access_denied') })
    expect(forbidden.body).not.toContain('tool_server_mismatch')
  })

  it('relays a tool that failed as the result it is, with 200', async () => {
    expect(await call({ server_id: 'alpha', name: 'fail' })).toEqual({
      content: [{ type: 'text', text: 'it did not work' }],
      isError: true,
    })
  })

  it('gives the deprecated x-mcp-auth to the one server that the request names, for a call and for a list', async () => {
    await using upstream = await offering('echo')
    await using own = await boot({
      config: { mcp_servers: { lone: { url: upstream.url, auth_type: 'authorization' }, other: { url: beta.url } } },
    })
    const headers = { 'x-mcp-auth': 'Token for-lone' }
    await own.json('/mcp-rest/tools/call', { body: { server_id: 'lone', name: 'echo' }, headers })
    expect(upstream.received('tools/call').at(-1)?.headers.authorization).toBe('Token for-lone')
    await own.json('/mcp-rest/tools/list?server_id=lone', { headers })
    expect(upstream.received('tools/list').at(-1)?.headers.authorization).toBe('Token for-lone')
    const before = upstream.requests.length
    await own.json('/mcp-rest/tools/list', { headers })
    expect(upstream.requests.slice(before).map(({ headers: sent }) => sent.authorization)).not.toContain(
      'Token for-lone',
    )
  })
})

describe('POST /mcp/tools/call', () => {
  const bare = (body: object, status = 200) => gateway.json('/mcp/tools/call', { key, body, status })

  verifies(
    'rest:bare-names',
    'finds the one permitted server with a tool of that name, in both shapes of body',
    async () => {
      const params = { name: 'beta_only', arguments: { a: 1 } }
      for (const body of [
        params,
        { method: 'tools/call', params },
        { jsonrpc: '2.0', id: 7, method: 'tools/call', params },
      ]) {
        expect(await bare(body)).toEqual({ content: [{ type: 'text', text: '{"a":1}' }] })
        expect(lastCall(beta)).toEqual(params)
      }
      expect(await gateway.json('/mcp/tools/list', { key })).toMatchObject({ error: null, tools: expect.any(Array) })
    },
  )

  verifies(
    'names:never-guessed',
    'refuses a name that two servers have, and each candidate it names works',
    async () => {
      const refused = await bare({ name: 'echo', arguments: { message: 'm' } }, 400)
      expect(refused).toMatchObject({
        detail: { error: 'ambiguous_tool_name', candidates: ['al-echo', 'beta-echo'] },
      })
      const before = beta.received('tools/call').length
      expect(await bare({ name: 'al-echo', arguments: { message: 'm' } })).toEqual({
        content: [{ type: 'text', text: 'm' }],
      })
      expect(beta.received('tools/call')).toHaveLength(before)
      await bare({ name: 'beta-echo', arguments: { message: 'm' } })
      expect(beta.received('tools/call')).toHaveLength(before + 1)
    },
  )

  verifies(
    'access:list-equals-call',
    'lets no server that is not permitted make a name ambiguous or known',
    async () => {
      const onlyBeta = await gateway.makeKey({ object_permission: { mcp_servers: ['beta'] } })
      const before = beta.received('tools/call').length
      await gateway.json('/mcp/tools/call', { key: onlyBeta, body: { name: 'echo' } })
      expect(beta.received('tools/call')).toHaveLength(before + 1)
      const forbidden = await refusal('/mcp/tools/call', { asked: 'secret_tool', body: { name: 'secret_tool' } })
      const unknown = await refusal('/mcp/tools/call', { asked: 'no_such_one', body: { name: 'no_such_one' } })
      expect(forbidden).toEqual(unknown)
      expect(forbidden.status).toBe(403)
    },
  )

  verifies(
    'identity:admitted-first',
    "passes a caller's Authorization on only after the gateway's own key was good",
    async () => {
      const body = { name: 'whose' }
      const headers = { authorization: 'Bearer callers-own-token' }
      const before = delegate.requests.length
      for (const gatewayKey of [{}, { 'x-litellm-key': 'sk-not-a-key-of-this-gateway' }]) {
        const refused = await gateway.request('/mcp/tools/call', {
          key: null,
          body,
          headers: { ...headers, ...gatewayKey },
        })
        expect(refused.status).toBe(401)
      }
      expect(delegate.requests).toHaveLength(before)

      await gateway.json('/mcp/tools/call', { key: null, body, headers: { ...headers, 'x-litellm-key': key } })
      expect(delegate.received('tools/call').at(-1)?.headers).toMatchObject({
        authorization: 'Bearer callers-own-token',
        'x-tenant': 'tenant-static-secret',
      })
      // A server that declares nothing of the kind gets its own credential and no other.
      const other = { name: 'beta_only' }
      await gateway.json('/mcp/tools/call', { key: null, body: other, headers: { ...headers, 'x-litellm-key': key } })
      expect(beta.received('tools/call').at(-1)?.headers.authorization).toBe('Bearer beta-static-secret')
      const everything = [alpha.requests.map(({ headers: sent }) => [...sent]), beta.requests, hidden.requests]
      expect(JSON.stringify(everything)).not.toContain('callers-own-token')
    },
  )
})

describe('GET /v1/mcp/*', () => {
  const servers = z.array(z.looseObject({ server_name: z.string() }))

  it('shows a key its servers without their addresses, an administrator all of them, and secrets to nobody', async () => {
    const response = await gateway.request('/v1/mcp/server', { key })
    const text = await response.text()
    const mine = servers.parse(JSON.parse(text))
    expect(mine.map(({ server_name }) => server_name)).toEqual(['alpha', 'beta', 'delegate'])
    expect(mine[0]).toMatchObject({
      server_id: 'id-alpha',
      alias: 'al',
      transport: 'http',
      auth_type: 'none',
      status: 'healthy',
      url: null,
      static_headers: null,
      credentials: null,
    })
    expect(text).not.toMatch(/127\.0\.0\.1|hidden|secret/)

    const adminText = await (await gateway.request('/v1/mcp/server')).text()
    const all = servers.parse(JSON.parse(adminText))
    expect(all).toHaveLength(4)
    expect(all.find(({ server_name }) => server_name === 'delegate')).toMatchObject({
      url: delegate.url,
      static_headers: { 'x-tenant': '[redacted]' },
      extra_headers: ['authorization'],
    })
    expect(adminText).not.toContain('static-secret')
  })

  it('shows the command of a stdio server without its arguments, which may hold a token', async () => {
    const args = ['-e', 'process.exit(1)', '--token=argument-secret']
    await using own = await boot({ config: { mcp_servers: { local: { command: 'node', args } } } })
    const text = await (await own.request('/v1/mcp/server')).text()
    expect(JSON.parse(text)).toMatchObject([{ server_name: 'local', url: 'node' }])
    expect(text).not.toContain('argument-secret')
  })

  it('probes the health of permitted servers now, and of those that are asked for', async () => {
    const before = beta.received('tools/list').length
    // An attempt of this second is not made twice; that of another test may be one.
    await vi.waitFor(async () => {
      const health = servers.parse(await gateway.json('/v1/mcp/server/health', { key }))
      expect(health.map(({ server_name, status }) => [server_name, status])).toEqual([
        ['alpha', 'healthy'],
        ['beta', 'healthy'],
        ['delegate', 'healthy'],
      ])
      expect(beta.received('tools/list').length).toBeGreaterThan(before)
    }, 5_000)
    // What is another's and what does not exist are told in the same words.
    const some = await gateway.json('/v1/mcp/server/health?server_ids=id-alpha,hidden,none', { key })
    expect(servers.parse(some).map(({ server_name, status }) => [server_name, status])).toEqual([
      ['alpha', 'healthy'],
      ['hidden', 'unknown'],
      ['none', 'unknown'],
    ])

    await using broken = await offering('echo')
    await using own = await boot({ config: { mcp_servers: { broken: { url: broken.url } } } })
    broken.answer(() => ({ status: 500, body: 'no' }))
    // The attempt at the start may be of this second.
    await vi.waitFor(async () => {
      expect(await own.json('/v1/mcp/server/health')).toMatchObject([
        { server_name: 'broken', status: 'unhealthy', health_check_error: expect.stringContaining('broken') },
      ])
    }, 5_000)
  })

  verifies('access:list-equals-call', 'lists tools under names that can be called as they stand', async () => {
    const { tools } = z
      .object({ tools: z.array(z.looseObject({ name: z.string() })) })
      .parse(await gateway.json('/v1/mcp/tools', { key }))
    const names = tools.map(({ name }) => name)
    expect(names).toEqual(expect.arrayContaining(['al-echo', 'beta-echo', 'beta-beta_only', 'delegate-whose']))
    expect(names).toHaveLength(9)
    for (const name of names.filter((candidate) => !/confirm|wait/.test(candidate))) {
      expect(await gateway.json('/mcp/tools/call', { key, body: { name } })).toHaveProperty('content')
    }
  })
})
