import { isJsonObject } from '@toolgate/core'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { completion, toolCall } from '@toolgate/testing/llm-server'
import { everythingStdio, startEverything } from '@toolgate/testing/mcp-everything'
import { resultFor, type RawRequest, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { startMcpServer } from '@toolgate/testing/mcp-server'
import { startSseMcpServer } from '@toolgate/testing/mcp-sse-server'
import { afterAll, beforeAll, describe, expect, vi } from 'vitest'
import { verifies } from '../verifies.ts'
import { type ChatWorld, messagesIn, offeredIn, reportOf, resultsIn, startChatWorld } from './chat-world.ts'

const answered = completion({ content: 'done' })

describe('what a provider has in its cache', () => {
  verifies('chat:stable-prefix', 'stays usable: each round begins with all that the one before it was', async () => {
    await using server = await startRawMcpServer()
    await using world = await startChatWorld({ servers: { srv: { url: server.url } } })
    world.play(
      completion({ tool_calls: [toolCall('srv-echo', { n: 1 }, 'call_1')] }),
      completion({ tool_calls: [toolCall('srv-echo', { n: 2 }, 'call_2')] }),
      answered,
    )
    const cached = { type: 'text', text: 'A long text.', cache_control: { type: 'ephemeral' } }
    await world.complete({ messages: [{ role: 'user', content: [cached] }], seed: 1 })
    expect(world.asked).toHaveLength(3)
    for (const [index, earlier] of world.asked.slice(0, 2).entries()) {
      const later = world.asked[index + 1] ?? {}
      const said = messagesIn(earlier)
      expect(JSON.stringify(messagesIn(later).slice(0, said.length))).toBe(JSON.stringify(said))
      expect(JSON.stringify(later['tools'])).toBe(JSON.stringify(earlier['tools']))
    }
    expect(messagesIn(world.asked[2])[0]).toEqual({ role: 'user', content: [cached] })
  })
})

describe('a chat completion over real servers of every kind', () => {
  const behind = new AsyncDisposableStack()
  let world: ChatWorld
  beforeAll(async () => {
    const web = behind.use(await startEverything())
    const modern = behind.use(await startMcpServer())
    const legacy = behind.use(await startSseMcpServer())
    world = behind.use(
      await startChatWorld({
        servers: {
          local: { ...everythingStdio },
          web: { url: web.url },
          modern: { url: modern.url },
          legacy: { url: legacy.url, transport: 'sse' },
        },
      }),
    )
  })
  afterAll(() => behind.disposeAsync())

  verifies('chat:several-rounds', 'runs two rounds of tools on four servers and ends with the answer', async () => {
    world.play(
      completion({
        content: 'First I look.',
        tool_calls: [
          toolCall('local-echo', { message: 'one' }, 'call_a'),
          toolCall('web-get-sum', { a: 2, b: 3 }, 'call_b'),
        ],
      }),
      completion({
        tool_calls: [
          toolCall('modern-echo', { message: 'three' }, 'call_c'),
          toolCall('legacy-echo', { message: 'four' }, 'call_d'),
        ],
      }),
      completion({ content: 'All four answered.' }),
    )
    const answer = await world.complete()
    expect(answer.choices).toHaveLength(1)
    expect(answer.choices[0]).toMatchObject({
      finish_reason: 'stop',
      message: { role: 'assistant', content: 'First I look.\n\nAll four answered.' },
    })
    expect(answer.choices[0]?.message.tool_calls).toBeUndefined()
    expect(answer.usage).toMatchObject({ prompt_tokens: 30, completion_tokens: 15, total_tokens: 45 })

    expect(world.asked).toHaveLength(3)
    expect(resultsIn(world.asked[1])).toEqual(['Echo: one', 'The sum of 2 and 3 is 5.'])
    expect(resultsIn(world.asked[2])).toEqual(['Echo: one', 'The sum of 2 and 3 is 5.', 'three', 'four'])
    const report = reportOf(answer.choices[0]?.message)
    expect(report['mcp_call_results']).toEqual([
      { tool_call_id: 'call_a', name: 'local-echo', result: 'Echo: one' },
      { tool_call_id: 'call_b', name: 'web-get-sum', result: 'The sum of 2 and 3 is 5.' },
      { tool_call_id: 'call_c', name: 'modern-echo', result: 'three' },
      { tool_call_id: 'call_d', name: 'legacy-echo', result: 'four' },
    ])
    expect(report['mcp_tool_calls']).toMatchObject([
      { id: 'call_a', type: 'function', function: { name: 'local-echo', arguments: '{"message":"one"}' } },
      { id: 'call_b' },
      { id: 'call_c' },
      { id: 'call_d' },
    ])
    expect(offeredIn({ tools: report['mcp_list_tools'] ?? null })).toEqual(offeredIn(world.asked[0]))
    expect(report).not.toHaveProperty('mcp_server_outcomes')
  })

  verifies(
    'chat:several-rounds',
    'offers the model every tool of every server, prefixed, with its schema',
    async () => {
      world.play(answered)
      await world.complete()
      const offered = offeredIn(world.asked[0])
      expect(offered).toEqual(
        expect.arrayContaining(['local-echo', 'web-get-sum', 'modern-count', 'legacy-whoami', 'legacy-fail']),
      )
      expect(new Set(offered).size).toBe(offered.length)
      const tools = world.asked[0]?.['tools']
      expect(tools).toContainEqual({
        type: 'function',
        function: {
          name: 'local-echo',
          description: expect.any(String),
          parameters: expect.objectContaining({
            type: 'object',
            properties: { message: expect.objectContaining({ type: 'string' }) },
            required: ['message'],
          }),
        },
      })
    },
  )

  verifies(
    'chat:several-rounds',
    'stops after eight rounds with an answer that was asked for without tools',
    async () => {
      world.play({
        json: completion({ content: 'again', tool_calls: [toolCall('modern-echo', { message: 'x' })] }),
      })
      const answer = await world.complete()
      expect(world.asked).toHaveLength(9)
      expect(world.asked.map((body) => 'tools' in body)).toEqual([...Array<boolean>(8).fill(true), false])
      expect(answer.choices[0]).toMatchObject({
        finish_reason: 'stop',
        message: { content: Array<string>(9).fill('again').join('\n\n') },
      })
      expect(answer.choices[0]?.message.tool_calls).toBeUndefined()
      expect(reportOf(answer.choices[0]?.message)).toMatchObject({ mcp_limit_reached: 'rounds' })
    },
  )

  verifies('chat:several-rounds', 'executes at most 64 calls of one request and says so', async () => {
    const many = Array.from({ length: 70 }, (_, index) =>
      toolCall('modern-echo', { message: String(index) }, `call_${index}`),
    )
    world.play(completion({ tool_calls: many }), answered)
    const answer = await world.complete()
    const results = resultsIn(world.asked[1])
    expect(results.slice(0, 64)).toEqual(Array.from({ length: 64 }, (_, index) => String(index)))
    expect(results.slice(64)).toEqual(
      Array<string>(6).fill('Error: Not executed: the limit of tool calls for one request is reached.'),
    )
    expect(world.asked[1]).not.toHaveProperty('tools')
    expect(reportOf(answer.choices[0]?.message)).toMatchObject({ mcp_limit_reached: 'calls' })
  })
})

describe('parallel calls and time', () => {
  verifies('chat:several-rounds', 'runs the calls of a turn at once and hands results back in call order', async () => {
    const bothHere = Promise.withResolvers<void>()
    const secondAnswered = Promise.withResolvers<void>()
    const calls: RawRequest[] = []
    await using server = await startRawMcpServer(async (request) => {
      if (request.message['method'] !== 'tools/call') return undefined
      calls.push(request)
      if (calls.length === 2) bothHere.resolve()
      // Were they run one after the other, the first would wait for the second for ever.
      await bothHere.promise
      const text = isJsonObject(request.message['params']) ? JSON.stringify(request.message['params']['arguments']) : ''
      const first = text.includes('first')
      if (first) await secondAnswered.promise
      else void request.closed.then(() => secondAnswered.resolve())
      return { body: resultFor(request, { content: [{ type: 'text', text }] }) }
    })
    await using world = await startChatWorld({ servers: { raw: { url: server.url } } })
    world.play(
      completion({
        tool_calls: [toolCall('raw-echo', { is: 'first' }, 'call_1'), toolCall('raw-echo', { is: 'second' }, 'call_2')],
      }),
      answered,
    )
    await world.complete()
    expect(resultsIn(world.asked[1])).toEqual(['{"is":"first"}', '{"is":"second"}'])
  })

  verifies('chat:several-rounds', 'stops running tools after ten minutes and has the model answer', async () => {
    await using server = await startMcpServer()
    const clock = fakeClock()
    await using world = await startChatWorld({ clock, servers: { slow: { url: server.url, timeout: 3_600 } } })
    world.play(completion({ tool_calls: [toolCall('slow-wait', {})] }), answered)
    const completing = world.complete()
    await vi.waitFor(() => expect(server.requests.some(({ rpcMethod }) => rpcMethod === 'tools/call')).toBe(true))
    clock.advance(599_999)
    expect(world.asked).toHaveLength(1)
    clock.advance(1)
    const answer = await completing
    expect(resultsIn(world.asked[1])).toEqual(['Error: Stopped: the time for tool calls of this request is up.'])
    expect(world.asked[1]).not.toHaveProperty('tools')
    expect(answer.choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: 'done' } })
    expect(reportOf(answer.choices[0]?.message)).toMatchObject({ mcp_limit_reached: 'time' })
    await vi.waitFor(() =>
      expect(server.requests.map(({ rpcMethod }) => rpcMethod)).toContain('notifications/cancelled'),
    )
  })
})
