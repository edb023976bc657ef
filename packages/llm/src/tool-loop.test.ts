import { GatewayError, type JsonObject } from '@toolgate/core'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { countingIds, scriptedModel, textResult, unusedApprovals } from '@toolgate/testing/llm-loop'
import { completion, toolCall } from '@toolgate/testing/llm-server'
import { describe, expect, it } from 'vitest'
import { chatDialect } from './dialects/chat.ts'
import type { LoopTool } from './loop-tool.ts'
import type { CallTool } from './tool-execution.ts'
import { runToolLoop, type ToolLoopOptions } from './tool-loop.ts'
import { createTurnRecords } from './records/turn-records.ts'

function tool(name: string, approval: LoopTool['approval'] = 'never'): LoopTool {
  return { publicName: name, functionName: name, approval, definition: { inputSchema: { type: 'object' } } }
}

const tools = [tool('srv-echo'), tool('srv-add'), tool('srv-danger', 'always')]
const clientFunction = { type: 'function', function: { name: 'get_weather', parameters: { type: 'object' } } }
const question = { model: 'm', messages: [{ role: 'user', content: 'hi' }] }

const echo: CallTool = async ({ publicName }, input) => textResult(`${publicName} got ${JSON.stringify(input)}`)

function loop(answers: readonly JsonObject[], overrides: Partial<ToolLoopOptions> = {}) {
  const model = scriptedModel(answers)
  const calls: string[] = []
  const { call = echo, ...rest } = overrides
  const run = () =>
    runToolLoop({
      body: question,
      dialect: chatDialect,
      tools,
      generate: model.generate,
      owner: 'alice',
      turnRecords: createTurnRecords(),
      approvals: unusedApprovals,
      admit: async () => {},
      signal: new AbortController().signal,
      clock: fakeClock(),
      newId: countingIds(),
      ...rest,
      call: (called, input, context) => {
        calls.push(called.publicName)
        return call(called, input, context)
      },
    })
  return { model, calls, run }
}

function messageOf({ response }: { response: JsonObject }): JsonObject {
  return choiceOf(response, 'message')
}

function choiceOf({ choices }: JsonObject, field: string): JsonObject {
  expect(choices).toMatchObject([{ [field]: expect.anything() }])
  const found: JsonObject = JSON.parse(JSON.stringify(choices))[0][field]
  return found
}

const calls = (...made: JsonObject[]) => completion({ tool_calls: made })
const says = (content: string) => completion({ content })

describe('rounds', () => {
  it('executes tools round after round until the model answers', async () => {
    const { model, run } = loop([
      calls(toolCall('srv-echo', { id: 'react' }, 'c1')),
      calls(toolCall('srv-add', { a: 1 }, 'c2')),
      says('done'),
    ])
    const answer = await run()
    expect(answer).toMatchObject({ rounds: 3, executedCalls: 2, limitReached: undefined })
    expect(messageOf(answer)).toMatchObject({ role: 'assistant', content: 'done' })
    expect(answer.response).toMatchObject({ choices: [{ finish_reason: 'stop' }], usage: { total_tokens: 45 } })
    expect(messageOf(answer)).not.toHaveProperty('tool_calls')
    expect(model.asked[2]?.['messages']).toEqual([
      ...question.messages,
      { role: 'assistant', content: null, tool_calls: [toolCall('srv-echo', { id: 'react' }, 'c1')] },
      { role: 'tool', tool_call_id: 'c1', content: 'srv-echo got {"id":"react"}' },
      { role: 'assistant', content: null, tool_calls: [toolCall('srv-add', { a: 1 }, 'c2')] },
      { role: 'tool', tool_call_id: 'c2', content: 'srv-add got {"a":1}' },
    ])
  })

  it('joins the text of every round, in order', async () => {
    const { run } = loop([
      completion({ content: 'Let me see.', tool_calls: [toolCall('srv-echo', {})] }),
      calls(toolCall('srv-echo', {})),
      says('Found it.'),
    ])
    expect(messageOf(await run())['content']).toBe('Let me see.\n\nFound it.')
  })

  it('answers with one JSON document where response_format asks for one', async () => {
    const { run } = loop([completion({ content: 'Wait.', tool_calls: [toolCall('srv-echo', {})] }), says('{"a":1}')], {
      body: { ...question, response_format: { type: 'json_object' } },
    })
    expect(messageOf(await run())['content']).toBe('{"a":1}')
  })

  it('sums usage over rounds, nested and unknown counters too', async () => {
    const usage = { prompt_tokens: 1, prompt_tokens_details: { cached_tokens: 2 }, vendor: 3 }
    const { run } = loop([
      completion({ tool_calls: [toolCall('srv-echo', {})] }, { usage }),
      completion({ content: 'ok' }, { usage }),
    ])
    expect((await run()).response['usage']).toEqual({
      prompt_tokens: 2,
      prompt_tokens_details: { cached_tokens: 4 },
      vendor: 6,
    })
  })

  it('asks without streaming, with the tools of both sides in a stable order', async () => {
    const { model, run } = loop([says('ok')], {
      body: { ...question, stream: true, stream_options: { include_usage: true }, tools: [clientFunction] },
    })
    await run()
    expect(model.asked[0]).not.toHaveProperty('stream')
    expect(model.asked[0]).not.toHaveProperty('stream_options')
    expect(model.asked[0]?.['tools']).toMatchObject(
      ['get_weather', 'srv-echo', 'srv-add', 'srv-danger'].map((name) => ({ function: { name } })),
    )
  })

  it.each(['required', { type: 'function', function: { name: 'srv-echo' } }])(
    'forces the choice %j in the first round only',
    async (choice) => {
      const { model, run } = loop([calls(toolCall('srv-echo', {})), says('ok')], {
        body: { ...question, tool_choice: choice },
      })
      await run()
      expect(model.asked.map((body) => body['tool_choice'])).toEqual([choice, 'auto'])
    },
  )

  it('keeps a provider reason that is not about tools', async () => {
    const cut = { choices: [{ index: 0, message: { role: 'assistant', content: 'a' }, finish_reason: 'length' }] }
    const { run } = loop([calls(toolCall('srv-echo', {})), completion({}, cut)])
    expect((await run()).response).toMatchObject({ choices: [{ finish_reason: 'length' }] })
  })
})

describe('calls of one turn', () => {
  it('run in parallel and are answered in call order', async () => {
    const order: string[] = []
    const slow = Promise.withResolvers<void>()
    const { model, run } = loop([calls(toolCall('srv-echo', {}, 'c1'), toolCall('srv-add', {}, 'c2')), says('ok')], {
      call: async ({ publicName }) => {
        if (publicName === 'srv-echo') await slow.promise
        else slow.resolve()
        order.push(publicName)
        return textResult(publicName)
      },
    })
    await run()
    expect(order).toEqual(['srv-add', 'srv-echo'])
    expect(model.asked[1]?.['messages']).toMatchObject([{}, {}, { tool_call_id: 'c1' }, { tool_call_id: 'c2' }])
  })

  it('never run more at a time than allowed', async () => {
    let running = 0
    let most = 0
    const made = Array.from({ length: 20 }, (_, index) => toolCall('srv-echo', {}, `c${index}`))
    const { run } = loop([calls(...made), says('ok')], {
      call: async () => {
        running += 1
        most = Math.max(most, running)
        await new Promise(setImmediate)
        running -= 1
        return textResult('x')
      },
    })
    await run()
    expect(most).toBe(8)
  })

  it.each<[string, CallTool, string]>([
    ['says isError', async () => textResult('disk full', true), 'Error: disk full'],
    [
      'fails in the gateway',
      async () => {
        throw new GatewayError('UPSTREAM_TIMEOUT', 'Server "srv" did not answer in time.')
      },
      'Error: Server "srv" did not answer in time.',
    ],
    [
      'breaks',
      async () => {
        throw new Error('secret detail')
      },
      'Error: Internal error. The log of the gateway has the details under this request id.',
    ],
  ])('tell the model when a tool %s, and the request goes on', async (_, call, text) => {
    const { model, run } = loop([calls(toolCall('srv-echo', {}, 'c1')), says('ok')], { call })
    expect(messageOf(await run())['content']).toBe('ok')
    expect(model.asked[1]?.['messages']).toMatchObject([{}, {}, { role: 'tool', tool_call_id: 'c1', content: text }])
  })

  it('of a tool nobody offered are answered with an error, never with another tool', async () => {
    const { model, calls: ran, run } = loop([calls(toolCall('echo', {}, 'c1')), says('ok')])
    await run()
    expect(ran).toEqual([])
    expect(JSON.stringify(model.asked[1])).toContain('Unknown tool \\"echo\\". Tools of this request: srv-echo')
  })
})

describe('odd answers of providers', () => {
  const one = (call: JsonObject, finishReason = 'tool_calls') =>
    completion(
      {},
      {
        choices: [
          { index: 0, message: { role: 'assistant', content: null, tool_calls: [call] }, finish_reason: finishReason },
        ],
      },
    )
  const named = (sent: JsonObject) => ({ name: 'srv-echo', ...sent })

  it.each<[string, JsonObject, JsonObject]>([
    ['arguments as an object', one({ id: 'a', type: 'function', function: named({ arguments: { x: 1 } }) }), { x: 1 }],
    ['arguments twice encoded', one({ id: 'a', function: named({ arguments: JSON.stringify('{"x":1}') }) }), { x: 1 }],
    ['no arguments', one({ id: 'a', type: 'function', function: named({}) }), {}],
    ['empty arguments', one({ id: 'a', type: 'function', function: named({ arguments: '' }) }), {}],
    ['no id and no type', one({ function: named({ arguments: '{"x":1}' }) }), { x: 1 }],
    ['an empty id', one({ id: '', type: 'function', function: named({ arguments: '{"x":1}' }) }), { x: 1 }],
    [
      'finish_reason stop',
      one({ id: 'a', type: 'function', function: named({ arguments: '{"x":1}' }) }, 'stop'),
      { x: 1 },
    ],
    [
      'a legacy function_call',
      completion({ function_call: named({ arguments: '{"x":1}' }), tool_calls: null }),
      { x: 1 },
    ],
  ])('%s: the tool runs', async (_, odd, input) => {
    const seen: JsonObject[] = []
    const { model, run } = loop([odd, says('ok')], {
      call: async (_tool, given) => {
        seen.push(given)
        return textResult('fine')
      },
    })
    const answer = await run()
    expect(seen).toEqual([input])
    expect(answer.response).toMatchObject({ choices: [{ finish_reason: 'stop', message: { content: 'ok' } }] })
    const id = expect.stringMatching(/^(?:a|call_1)$/)
    expect(model.asked[1]?.['messages']).toMatchObject([
      {},
      { tool_calls: [{ id, type: 'function', function: { arguments: JSON.stringify(input) } }] },
      { tool_call_id: id },
    ])
  })

  it('malformed arguments go back to the model and leave no unreadable JSON in the conversation', async () => {
    const broken = { id: 'a', type: 'function', function: { name: 'srv-echo', arguments: '{"x":' } }
    const { model, calls: ran, run } = loop([one(broken), says('ok')])
    await run()
    expect(ran).toEqual([])
    expect(model.asked[1]?.['messages']).toMatchObject([
      {},
      { tool_calls: [{ function: { arguments: '{}' } }] },
      { content: 'Error: The arguments are not a JSON object: {"x": Send one JSON object.' },
    ])
  })

  it('two calls with one id are told apart', async () => {
    const { model, run } = loop([calls(toolCall('srv-echo', {}, 'same'), toolCall('srv-add', {}, 'same')), says('ok')])
    await run()
    expect(model.asked[1]?.['messages']).toMatchObject([{}, {}, { tool_call_id: 'same' }, { tool_call_id: 'call_1' }])
  })

  it('fields nobody knows go back to the provider with the call', async () => {
    const signed = { ...toolCall('srv-echo', {}, 'c1'), extra_content: { signature: 'abc' } }
    const { model, run } = loop([completion({ tool_calls: [signed], reasoning_content: 'hm' }), says('ok')])
    await run()
    expect(model.asked[1]?.['messages']).toMatchObject([{}, { reasoning_content: 'hm', tool_calls: [signed] }, {}])
  })

  it.each([{ choices: [] }, {}, { choices: [{}] }])(
    'no message at all (%j) is an error of the provider',
    async (odd) => {
      await expect(loop([odd]).run()).rejects.toMatchObject({ code: 'PROVIDER_PROTOCOL' })
    },
  )
})

describe('bounds', () => {
  const forever = calls(toolCall('srv-echo', {}))

  it('asks once without tools after the last round, and says so', async () => {
    const { model, run } = loop([forever, forever, says('enough')], { limits: { maxRounds: 2 } })
    const answer = await run()
    expect(answer).toMatchObject({ rounds: 3, executedCalls: 2, limitReached: 'rounds' })
    expect(model.asked[1]).toHaveProperty('tools')
    expect(model.asked[2]).not.toHaveProperty('tools')
    expect(messageOf(answer)).toMatchObject({
      content: 'enough',
      provider_specific_fields: { mcp_limit_reached: 'rounds' },
    })
  })

  it('ends also where the model calls tools it no longer has', async () => {
    const { run } = loop([forever], { limits: { maxRounds: 3 } })
    const answer = await run()
    expect(answer).toMatchObject({ rounds: 4, executedCalls: 3 })
    expect(answer.response).toMatchObject({ choices: [{ finish_reason: 'stop', message: { content: null } }] })
    expect(messageOf(answer)).not.toHaveProperty('tool_calls')
  })

  it('runs no call beyond the last one allowed, and answers the rest', async () => {
    const made = ['c1', 'c2', 'c3'].map((id) => toolCall('srv-echo', {}, id))
    const { model, run } = loop([calls(...made), says('ok')], { limits: { maxCalls: 2 } })
    expect(await run()).toMatchObject({ executedCalls: 2, limitReached: 'calls' })
    expect(model.asked[1]?.['messages']).toMatchObject([
      {},
      {},
      {},
      {},
      { tool_call_id: 'c3', content: expect.stringContaining('Not executed') },
    ])
  })

  it('stops running tools when the time is up, and lets the model answer', async () => {
    const clock = fakeClock()
    const { run } = loop([forever, says('late')], {
      clock,
      limits: { maxDurationMs: 1_000 },
      call: (_tool, _input, { signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(new GatewayError('CANCELLED', 'gone')))
          clock.advance(1_000)
        }),
    })
    const answer = await run()
    expect(answer.limitReached).toBe('time')
    expect(messageOf(answer)).toMatchObject({
      content: 'late',
      provider_specific_fields: { mcp_call_results: [{ result: expect.stringContaining('time for tool calls') }] },
    })
    expect(clock.pending).toBe(0)
  })

  it('leaves no timer behind', async () => {
    const clock = fakeClock()
    await loop([says('ok')], { clock }).run()
    expect(clock.pending).toBe(0)
  })

  it('ends with the client: nothing is asked any more', async () => {
    const client = new AbortController()
    const { model, run } = loop([forever, says('never')], {
      signal: client.signal,
      call: async () => {
        client.abort()
        throw new GatewayError('CANCELLED', 'gone')
      },
    })
    await expect(run()).rejects.toMatchObject({ code: 'CANCELLED' })
    expect(model.asked).toHaveLength(1)
  })
})

describe('requests the loop refuses', () => {
  it.each<[string, JsonObject, string]>([
    ['several answers', { ...question, n: 2 }, '"n" must be 1'],
    [
      'a function named like a gateway tool',
      { ...question, tools: [{ type: 'function', function: { name: 'srv-add' } }] },
      '"srv-add" is both',
    ],
    [
      'a legacy function named like a gateway tool',
      { ...question, functions: [{ name: 'srv-add' }] },
      '"srv-add" is both',
    ],
  ])('%s', async (_, body, text) => {
    const { model, run } = loop([says('no')], { body })
    await expect(run()).rejects.toMatchObject({ code: 'INVALID_REQUEST', message: expect.stringContaining(text) })
    expect(model.asked).toEqual([])
  })
})

describe('what is reported', () => {
  it('names the tools offered, the calls made and their results, as LiteLLM', async () => {
    const { run } = loop([calls(toolCall('srv-echo', { a: 1 }, 'c1')), says('ok')], { tools: [tool('srv-echo')] })
    expect(messageOf(await run())['provider_specific_fields']).toEqual({
      mcp_list_tools: [
        { type: 'function', function: { name: 'srv-echo', parameters: { type: 'object', properties: {} } } },
      ],
      mcp_tool_calls: [toolCall('srv-echo', { a: 1 }, 'c1')],
      mcp_call_results: [{ tool_call_id: 'c1', result: 'srv-echo got {"a":1}', name: 'srv-echo' }],
    })
  })

  it('is nothing where no gateway tool is attached, and the answer is the provider’s own', async () => {
    const theirs = completion({ tool_calls: [toolCall('anything', {})], vendor: { x: 1 } }, { service_tier: 'flex' })
    const { run } = loop([theirs], { tools: [] })
    expect((await run()).response).toBe(theirs)
  })
})
