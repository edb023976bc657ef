import { setTimeout } from 'node:timers/promises'
import { completion, type LlmServer, toolCall } from '@toolgate/testing/llm-server'
import { type RawMcpServer, resultFor, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verifies } from '../verifies.ts'
import { type ChatWorld, mcp, reportOf, resultsIn, startChatWorld, toParams } from './chat-world.ts'

const longResult = 'A line of a long report.\n'.repeat(20)
const behind = new AsyncDisposableStack()
let world: ChatWorld
let server: RawMcpServer
let running = 0
let mostAtOnce = 0
beforeAll(async () => {
  server = behind.use(
    await startRawMcpServer(async (request) => {
      if (request.message['method'] !== 'tools/call') return undefined
      running += 1
      mostAtOnce = Math.max(mostAtOnce, running)
      // Long enough for the others to come in as well.
      await setTimeout(20)
      running -= 1
      return { body: resultFor(request, { content: [{ type: 'text', text: longResult }] }) }
    }),
  )
  const slow = behind.use(
    await startRawMcpServer((request) => (request.message['method'] === 'tools/call' ? 'hang' : undefined)),
  )
  const models = (llm: LlmServer) => [
    {
      model_name: 'words',
      litellm_params: {
        model: 'openai/words',
        api_base: `${llm.origin}/v1`,
        api_key: 'sk',
        use_chat_completions_api: true,
      },
    },
  ]
  world = behind.use(await startChatWorld({ servers: { srv: { url: server.url }, slow: { url: slow.url } }, models }))
})
afterAll(() => behind.disposeAsync())

const calling = (count = 1) =>
  completion({ tool_calls: Array.from({ length: count }, (_, at) => toolCall('srv-echo', {}, `call_${at}`)) })
const reportFor = async (limits: object) => reportOf((await world.complete({ mcp_limits: limits })).choices[0]?.message)

describe('the bounds of one request', () => {
  verifies('chat:bounds-per-request', 'are narrowed by the request, and the model answers without tools', async () => {
    world.play(calling(), calling(), calling(), completion({ content: 'Enough.' }))
    expect(await reportFor({ max_rounds: 2 })).toMatchObject({ mcp_limit_reached: 'rounds' })
    expect(world.asked).toHaveLength(3)
    expect(world.asked[2]).not.toHaveProperty('tools')
    expect(world.asked[0]).not.toHaveProperty('mcp_limits')

    world.play(calling(3), completion({ content: 'Enough.' }))
    expect(await reportFor({ max_calls: 2 })).toMatchObject({ mcp_limit_reached: 'calls' })
    expect(resultsIn(world.asked[1])[2]).toContain('limit of tool calls')

    world.play(calling(), completion({ content: 'Enough.' }))
    expect(await reportFor({ max_tokens: 15 })).toMatchObject({ mcp_limit_reached: 'tokens' })
    expect(world.asked).toHaveLength(2)
  })

  it.each([
    [{ max_rounds: 0 }, 'mcp_limits.max_rounds'],
    [{ max_round: 3 }, 'did you mean "max_rounds"'],
    ['none', 'mcp_limits'],
  ])('%j that are none are refused', async (limits, problem) => {
    world.play(completion({ content: 'never' }))
    await expect(world.complete({ mcp_limits: limits })).rejects.toMatchObject({
      status: 400,
      message: expect.stringContaining(problem),
    })
    expect(world.asked).toEqual([])
  })
})

describe('the ceiling', () => {
  const config = { general_settings: { mcp_limits: { max_rounds: 1 } } }
  const limitFor = async (limited: ChatWorld, key: string, limits?: object) => {
    limited.play(calling(), calling(), calling(), completion({ content: 'Enough.' }))
    const request = limits === undefined ? {} : { mcp_limits: limits }
    await limited.complete(request, { key })
    return limited.asked.length - 1
  }

  verifies('chat:ceilings', 'of a request is the key’s, else the file’s, and no request is above it', async () => {
    await using limited = await startChatWorld({ servers: { srv: { url: server.url } }, config })
    const make = (more: object) => limited.gateway.makeKey({ object_permission: { mcp_servers: ['srv'] }, ...more })
    const plain = await make({})
    const wide = await make({ mcp_limits: { max_rounds: 2 } })
    const narrow = await make({ metadata: { mcp_limits: { max_calls: 1 } } })

    expect(await limitFor(limited, plain)).toBe(1)
    expect(await limitFor(limited, plain, { max_rounds: 5 })).toBe(1)
    expect(await limitFor(limited, wide)).toBe(2)
    expect(await limitFor(limited, wide, { max_rounds: 1 })).toBe(1)
    limited.play(calling(2), completion({ content: 'Enough.' }))
    const answer = await limited.complete({ mcp_limits: { max_calls: 9, max_rounds: 9 } }, { key: narrow })
    expect(reportOf(answer.choices[0]?.message)).toMatchObject({ mcp_limit_reached: 'calls' })
  })

  it.each([[{ mcp_limits: { max_round: 1 } }], [{ metadata: { mcp_limits: { max_rounds: 'many' } } }]])(
    '%j is no ceiling of a key',
    async (request) => {
      const { gateway } = world
      expect((await gateway.request('/key/generate', { body: request })).status).toBe(422)
    },
  )
})

describe('time and places', () => {
  it('end: running tools are stopped, and the model is told', async () => {
    world.play(completion({ tool_calls: [toolCall('slow-echo', {})] }), completion({ content: 'Enough.' }))
    expect(await reportFor({ max_seconds: 0.2 })).toMatchObject({ mcp_limit_reached: 'time' })
    expect(resultsIn(world.asked[1])[0]).toContain('the time for tool calls of this request is up')
  })

  it('are shared: no more calls run at once than may', async () => {
    world.play(calling(3), completion({ content: 'Enough.' }))
    mostAtOnce = 0
    await reportFor({ max_parallel: 1 })
    expect(mostAtOnce).toBe(1)
  })
})

describe('what a request costs', () => {
  verifies('chat:spend', 'is in the rows of its rounds and calls, and ends the loop at its bound', async () => {
    const priced = { input_cost_per_token: 0.001, output_cost_per_token: 0.002 }
    await using costly = await startChatWorld({
      servers: {
        srv: {
          url: server.url,
          mcp_info: { mcp_server_cost_info: { default_cost_per_query: 1, tool_name_to_cost_per_query: { echo: 0.5 } } },
        },
      },
      models: (llm) => [
        {
          model_name: 'priced',
          litellm_params: { model: 'openai/p', api_base: `${llm.origin}/v1`, api_key: 'sk-p', ...priced },
        },
      ],
    })
    for (const stream of [false, true]) {
      costly.play(calling(), calling(), completion({ content: 'Enough.' }))
      const response = await costly.gateway.request('/v1/chat/completions', {
        body: { ...toParams({ model: 'priced' }), stream, mcp_limits: { max_spend: 0.52 } },
      })
      expect(await response.text()).toContain('"mcp_limit_reached":"spend"')
      expect(costly.asked).toHaveLength(2)
      // A stream says what it costs when its headers are gone.
      if (!stream) expect(Number(response.headers.get('x-litellm-response-cost'))).toBeCloseTo(0.54)
    }
    const rows = await costly.rows(6, ({ kind }) => kind !== 'list')
    expect(rows.map(({ kind, spend }) => [kind, spend])).toEqual(
      [0, 1].flatMap(() => [
        ['generation', 0.02],
        ['tool_call', 0.5],
        ['generation', 0.02],
      ]),
    )
  })
})

describe('a result that is too long for the model', () => {
  verifies('chat:long-results', 'is cut with a note to the model, and kept whole for the key that asked', async () => {
    world.play(calling(), completion({ content: 'Read.' }))
    const key = await world.gateway.makeKey({ object_permission: { mcp_servers: ['srv'] } })
    const answer = await world.complete({ mcp_limits: { max_result_characters: 30 } }, { key })
    const shown = `${longResult.slice(0, 30)}\n\n[Truncated: these are the first 30 of ${longResult.length} characters.`
    expect(resultsIn(world.asked[1])[0]).toContain(shown)

    const [result] = JSON.parse(JSON.stringify(reportOf(answer.choices[0]?.message)['mcp_call_results']))
    const address = `/v1/tool_results/${result.full_result_id}`
    expect(await (await world.gateway.request(address, { key })).text()).toBe(longResult)
    const other = await world.gateway.makeKey()
    expect((await world.gateway.request(address, { key: other })).status).toBe(404)
  })

  for (const [path, asked] of [
    ['/v1/messages', { messages: [{ role: 'user', content: 'go' }], max_tokens: 9 }],
    ['/v1/responses', { input: 'go' }],
    ['/v1beta/models/words:generateContent', { contents: [{ role: 'user', parts: [{ text: 'go' }] }] }],
  ] as const) {
    for (const stream of [false, true]) {
      verifies('chat:long-results', `is found whole by clients of ${path}, streamed: ${stream}`, async () => {
        world.play(calling(), completion({ content: 'Read.' }))
        const door = stream ? path.replace('generateContent', 'streamGenerateContent') : path
        const body = { model: 'words', ...asked, stream, tools: mcp(), mcp_limits: { max_result_characters: 30 } }
        const text = await (await world.gateway.request(door, { body })).text()
        const [, id] = /"full_result_id":\s*"([^"]+)"/.exec(text) ?? []
        expect(await (await world.gateway.request(`/v1/tool_results/${id}`)).text()).toBe(longResult)
      })
    }
  }

  it('is not kept where the model was shown all of it', async () => {
    world.play(calling(), completion({ content: 'Read.' }))
    const results = reportOf((await world.complete()).choices[0]?.message)['mcp_call_results']
    expect(results).toEqual([expect.not.objectContaining({ full_result_id: expect.anything() })])
  })
})
