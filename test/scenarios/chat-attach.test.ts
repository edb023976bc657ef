import { completion, toolCall } from '@toolgate/testing/llm-server'
import { startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { type SdkMcpServer, startMcpServer } from '@toolgate/testing/mcp-server'
import { freePort } from '@toolgate/testing/postgres-server'
import { APIError } from 'openai'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { verifies } from '../verifies.ts'
import { type ChatWorld, mcp, offeredIn, reportOf, startChatWorld, toParams } from './chat-world.ts'

const behind = new AsyncDisposableStack()
let world: ChatWorld
let alpha: SdkMcpServer
let beta: SdkMcpServer
let narrowKey: string
const autoKey = 'sk-auto-with-a-down-server'
const onlyDownKey = 'sk-auto-with-only-a-down-server'
const answered = completion({ content: 'done' })

beforeAll(async () => {
  alpha = behind.use(await startMcpServer())
  beta = behind.use(await startMcpServer())
  const hanging = behind.use(
    await startRawMcpServer(({ message }) => (message['method'] === 'tools/list' ? 'hang' : undefined)),
  )
  const speechless = behind.use(
    await startRawMcpServer(({ message: { id, method } }) =>
      method === 'tools/list' ? { body: { jsonrpc: '2.0', id, result: { tools: [] } } } : undefined,
    ),
  )
  world = behind.use(
    await startChatWorld({
      env: { LITELLM_MCP_TOOL_LISTING_TIMEOUT: '1' },
      servers: {
        alpha: { url: alpha.url, access_groups: ['team'], extra_headers: ['authorization'] },
        beta: { url: beta.url, alias: 'b', access_groups: ['team'], extra_headers: ['authorization'] },
        down: { url: `http://127.0.0.1:${await freePort()}/mcp` },
        hanging: { url: hanging.url },
        empty: { url: speechless.url },
        locked: { url: alpha.url, auth_type: 'oauth2', authorization_url: 'http://127.0.0.1/authorize' },
      },
      config: {
        virtual_keys: [
          { key: autoKey, mcp_servers: ['beta', 'down'] },
          { key: onlyDownKey, mcp_servers: ['down'] },
        ],
      },
    }),
  )
  narrowKey = await world.gateway.makeKey({ object_permission: { mcp_servers: ['beta'] } })
})
afterAll(() => behind.disposeAsync())

const at = (names: string) => ({ server_url: `litellm_proxy/mcp/${names}` })
const prefixesOffered = () => [...new Set(offeredIn(world.asked[0]).map((name) => name.split('-')[0]))]

describe('servers and tools that a request names', () => {
  verifies('chat:named-tools-resolve', 'are those of a list of names, aliases and groups, and no others', async () => {
    for (const [names, prefixes] of [
      ['alpha', ['alpha']],
      ['alpha,beta', ['alpha', 'b']],
      ['b/', ['b']],
      ['team', ['alpha', 'b']],
    ] as const) {
      world.play(answered)
      await world.complete({ tools: mcp(at(names)) })
      expect(prefixesOffered()).toEqual(prefixes)
    }
  })

  verifies('chat:named-tools-resolve', 'are narrowed by allowed_tools, with prefix or without', async () => {
    for (const allowed of [['alpha-echo', 'count'], { tool_names: ['alpha-echo', 'count'] }]) {
      world.play(answered)
      await world.complete({ tools: mcp({ ...at('alpha'), allowed_tools: allowed }) })
      expect(offeredIn(world.asked[0])).toEqual(['alpha-echo', 'alpha-count'])
    }
  })

  verifies('chat:named-tools-resolve', 'may be named in the headers of an entry', async () => {
    world.play(answered)
    await world.complete({ tools: mcp({ headers: { 'x-mcp-servers': 'beta' } }) })
    expect(prefixesOffered()).toEqual(['b'])
  })

  verifies('identity:one-resolver', 'get the headers of an entry for them, and no other server does', async () => {
    world.play(
      completion({ tool_calls: [toolCall('alpha-whoami', {}, 'call_a'), toolCall('b-whoami', {}, 'call_b')] }),
      answered,
    )
    const headers = { 'x-mcp-alpha-authorization': 'Bearer for-alpha' }
    const seen = [alpha.requests.length, beta.requests.length]
    const answer = await world.complete({ tools: mcp({ headers }) })
    expect(reportOf(answer.choices[0]?.message)['mcp_call_results']).toMatchObject([
      { result: 'Bearer for-alpha' },
      { result: 'nobody' },
    ])
    const sentTo = (server: SdkMcpServer, from = 0) =>
      server.requests.slice(from).map(({ headers: sent }) => JSON.stringify([...sent]))
    expect(sentTo(alpha, seen[0]).join('')).toContain('for-alpha')
    expect(sentTo(beta, seen[1]).join('')).not.toContain('for-alpha')
    expect(JSON.stringify(world.asked[0])).not.toContain('for-alpha')
    for (const server of [alpha, beta]) expect(sentTo(server).join('')).not.toContain(world.gateway.masterKey)
  })
})

describe('x-mcp-auth', () => {
  const alone = [mcp(at('alpha')), [...mcp(at('alpha')), ...mcp({ ...at('alpha'), allowed_tools: ['whoami'] })]]
  const among = [mcp(), mcp(at('team')), mcp(at('alpha,beta')), [...mcp(at('alpha')), ...mcp(at('beta'))]]
  const whoAlphaSees = async (tools: object[], headers: Record<string, string> = {}) => {
    world.play(completion({ tool_calls: [toolCall('alpha-whoami', {})] }), answered)
    const seen = beta.requests.length
    const answer = await world.complete({ tools }, { headers: { 'x-mcp-auth': 'of-the-caller', ...headers } })
    expect(beta.requests.slice(seen).map(({ headers: sent }) => sent.get('authorization'))).not.toContain(
      'Bearer of-the-caller',
    )
    return reportOf(answer.choices[0]?.message)['mcp_call_results']
  }

  verifies('identity:one-resolver', 'goes to the one server that a chat request names', async () => {
    for (const tools of alone) expect(await whoAlphaSees(tools)).toMatchObject([{ result: 'Bearer of-the-caller' }])
    const header = { 'x-mcp-servers': 'alpha' }
    expect(await whoAlphaSees([], header)).toMatchObject([{ result: 'Bearer of-the-caller' }])
  })

  verifies('identity:one-resolver', 'goes nowhere from a chat request that names none or more', async () => {
    for (const tools of among) expect(await whoAlphaSees(tools)).toMatchObject([{ result: 'nobody' }])
    const header = { 'x-mcp-servers': 'beta' }
    expect(await whoAlphaSees(mcp(at('alpha')), header)).toMatchObject([{ result: 'nobody' }])
  })
})

describe('a request that names what it cannot have', () => {
  const cases: [guarantee: string, tools: object, expected: { status: number; type: string; says: string[] }][] = [
    [
      'an unknown server',
      at('alpha,nowhere'),
      { status: 403, type: 'mcp_server_not_found', says: ['Unknown MCP server', 'nowhere'] },
    ],
    [
      'a server that is down',
      at('alpha,down'),
      { status: 502, type: 'mcp_upstream_error', says: ['down', 'cannot be reached'] },
    ],
    ['a server that hangs', at('hanging'), { status: 504, type: 'mcp_upstream_timeout', says: ['hanging', '1000 ms'] }],
    ['a server that wants a sign-in', at('locked'), { status: 401, type: 'mcp_sign_in_required', says: ['locked'] }],
    ['a server without tools', at('empty'), { status: 400, type: 'mcp_tools_unresolved', says: ['none is available'] }],
    [
      'an unknown tool',
      { ...at('alpha'), allowed_tools: ['echo', 'teleport'] },
      { status: 400, type: 'mcp_tools_unresolved', says: ['teleport'] },
    ],
    ['no tool at all', { ...at('alpha'), allowed_tools: [] }, { status: 400, type: 'mcp_tools_unresolved', says: [] }],
  ]
  for (const [what, entry, { status, type, says }] of cases) {
    verifies('chat:named-tools-resolve', `${what} fails with its reason before any model is asked`, async () => {
      for (const stream of [false, true]) {
        world.play(answered)
        const failure = await world.complete({ tools: mcp(entry), stream }).catch((error: unknown) => error)
        expect(failure).toBeInstanceOf(APIError)
        expect(failure).toMatchObject({ status, error: { type, code: String(status) } })
        const text = failure instanceof Error ? failure.message : ''
        for (const word of says) expect(text).toContain(word)
        expect(world.asked).toEqual([])
      }
    })
  }

  verifies('chat:named-tools-resolve', 'fails the same way for forbidden and unknown servers', async () => {
    world.play(answered)
    const fail = (names: string) =>
      world.complete({ tools: mcp(at(names)) }, { key: narrowKey }).then(
        () => 'answered',
        (error: unknown) => (error instanceof Error ? error.message.replace(names, 'NAME') : error),
      )
    expect(await fail('empty')).toBe('403 Unknown MCP server: NAME')
    expect(await fail('nonexistent')).toBe('403 Unknown MCP server: NAME')
    expect(world.asked).toEqual([])
  })

  verifies('chat:named-tools-resolve', 'fails the same way for servers in the x-mcp-servers header', async () => {
    world.play(answered)
    const ask = (names: string) => world.complete({ tools: undefined }, { headers: { 'x-mcp-servers': names } })
    await expect(ask('nowhere')).rejects.toMatchObject({ status: 403, message: expect.stringContaining('nowhere') })
    await expect(ask('alpha,down')).rejects.toMatchObject({ status: 502, message: expect.stringContaining('down') })
    expect(world.asked).toEqual([])
  })

  const misspelt: [entry: object, says: string][] = [
    [{ alowed_tools: ['echo'] }, 'unknown field "alowed_tools", did you mean "allowed_tools"?'],
    [{ require_aproval: 'always' }, 'unknown field "require_aproval", did you mean "require_approval"?'],
    [{ allowed_tools: { tool_name: ['echo'] } }, 'unknown field "tool_name", did you mean "tool_names"?'],
    [{ allowed_tools: { read_only: true } }, '"read_only" is not supported, name the tools in "tool_names"'],
    [{ require_approval: { nevr: { tool_names: ['echo'] } } }, 'unknown field "nevr", did you mean "never"?'],
    [{ require_approval: 'sometimes' }, 'tools[0].require_approval of the request is not usable'],
    [{ server_url: 'litellm_proxy/elsewhere' }, 'tools[0].server_url of the request is not usable'],
  ]
  for (const [entry, says] of misspelt) {
    verifies('chat:named-tools-resolve', `refuses ${JSON.stringify(entry)}, saying what is wrong`, async () => {
      world.play(answered)
      await expect(world.complete({ tools: mcp(entry) })).rejects.toMatchObject({
        status: 400,
        type: 'invalid_request_error',
        message: expect.stringContaining(says),
        param: expect.stringContaining('tools[0]'),
      })
      expect(world.asked).toEqual([])
    })
  }

  verifies('chat:named-tools-resolve', 'takes every field that OpenAI and LiteLLM have in an entry', async () => {
    world.play(answered)
    const known = { server_description: 'x', authorization: 'y', connector_id: 'z', defer_loading: true, more: 1 }
    await expect(world.complete({ tools: mcp({ ...at('alpha'), ...known }) })).resolves.toMatchObject({})
  })
})

describe('a request that names no server', () => {
  const down = { server_name: 'down', status: 'unreachable', message: expect.stringContaining('down') }

  verifies('chat:named-tools-resolve', 'uses the healthy ones and reports every other with its reason', async () => {
    world.play(answered)
    const answer = await world.complete()
    expect(prefixesOffered()).toEqual(['alpha', 'b'])
    const outcomes = reportOf(answer.choices[0]?.message)['mcp_server_outcomes']
    expect(outcomes).toMatchObject([
      down,
      { server_name: 'hanging', status: 'timeout' },
      { server_name: 'locked', status: 'needs_auth' },
    ])
    expect(outcomes).toHaveLength(3)
  })

  verifies('chat:named-tools-resolve', 'reports them in a stream as well', async () => {
    world.play(answered)
    const chunks = []
    const stream = await world.client(autoKey).chat.completions.create({
      ...toParams({ tools: undefined }),
      stream: true,
    })
    for await (const chunk of stream) chunks.push(chunk)
    const reports = chunks.flatMap(({ choices }) => choices.map(({ delta }) => reportOf(delta)))
    expect(reports.filter((report) => 'mcp_server_outcomes' in report)).toMatchObject([{ mcp_server_outcomes: [down] }])
    expect(prefixesOffered()).toEqual(['b'])
  })

  verifies('chat:named-tools-resolve', 'is an error where the request asked for tools and there is none', async () => {
    world.play(answered)
    const tools = mcp({ allowed_tools: [] })
    await expect(world.complete({ tools })).rejects.toMatchObject({ status: 502 })
    expect(world.asked).toEqual([])
  })
})

describe('a key that adds its tools on its own', () => {
  const report = [{ server_name: 'down', status: 'unreachable', message: expect.stringContaining('down') }]

  verifies('chat:named-tools-resolve', 'gets its answer and a report where one of its servers is down', async () => {
    world.play(completion({ tool_calls: [toolCall('b-echo', { message: 'hi' })] }), answered)
    const answer = await world.complete({ tools: undefined }, { key: autoKey })
    expect(answer.choices[0]).toMatchObject({
      finish_reason: 'stop',
      message: {
        content: 'done',
        provider_specific_fields: { mcp_server_outcomes: report, mcp_call_results: [{ result: 'hi' }] },
      },
    })
  })

  verifies('chat:named-tools-resolve', 'gets its answer and a report where none of its servers is up', async () => {
    world.play(completion({ content: 'done', provider_specific_fields: { own: 1 } }, { system_fingerprint: 'fp' }))
    const answer = await world.complete({ tools: undefined }, { key: onlyDownKey })
    expect(world.asked[0]).not.toHaveProperty('tools')
    expect(answer).toMatchObject({
      system_fingerprint: 'fp',
      choices: [{ message: { content: 'done', provider_specific_fields: { own: 1, mcp_server_outcomes: report } } }],
    })
  })

  verifies('chat:named-tools-resolve', 'gets the stream as it is and a report where none is up', async () => {
    const sent = [
      ': ping\n\ndata: {"id":"chatcmpl-p","object":"chat.completion.chunk","created":7,"model":"m","odd":"ö",',
      '"choices":[{"index":0,"delta":{"role":"assistant"}}]}\r\n\r\ndata: {"id":"chatcmpl-p","choices":',
      '[{"index":0,"delta":{"content":"hi"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n',
    ]
    world.play({ events: sent })
    const response = await world.gateway.request('/v1/chat/completions', {
      key: onlyDownKey,
      body: { model: 'gpt', stream: true, messages: [] },
    })
    const text = await response.text()
    const [inserted = ''] = /data: [^\n]*mcp_server_outcomes[^\n]*\n\n/.exec(text) ?? []
    expect(text.replace(inserted, '')).toBe(sent.join(''))
    expect(text.indexOf(inserted)).toBe(text.indexOf('\r\n\r\n') + 4)
    expect(JSON.parse(inserted.slice('data: '.length))).toMatchObject({
      id: 'chatcmpl-p',
      created: 7,
      model: 'm',
      choices: [{ delta: { provider_specific_fields: { mcp_server_outcomes: report } }, finish_reason: null }],
    })
  })
})
