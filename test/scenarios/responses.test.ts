import { isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import { completion, completionEvents, toolCall } from '@toolgate/testing/llm-server'
import { serveOnLoopback } from '@toolgate/testing/loopback'
import { type SdkMcpServer, startMcpServer } from '@toolgate/testing/mcp-server'
import { callItem, messageItem, responseEvents } from '@toolgate/testing/responses-answers'
import type OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verifies } from '../verifies.ts'
import { crossed } from './chat-models.ts'
import { mcp, messagesIn, resultsIn } from './chat-world.ts'
import { startToolWorld, type ToolWorld } from './tool-world.ts'

/** `/v1/responses` with the official SDK: `crossed` has chat completions alone, `gpt` has Responses itself. */
const behind = new AsyncDisposableStack()
let world: ToolWorld<SdkMcpServer>
beforeAll(async () => {
  world = behind.use(
    await startToolWorld(startMcpServer, {
      models: (llm) => [
        crossed(llm),
        {
          model_name: 'old',
          litellm_params: { model: 'openai/old', api_base: `${llm.origin}/old/v1`, api_key: 'sk-c' },
        },
      ],
    }),
  )
})
afterAll(() => behind.disposeAsync())

type Params = OpenAI.Responses.ResponseCreateParamsNonStreaming
type Parsed = OpenAI.Responses.Response

const params = (request: object): Params => JSON.parse(JSON.stringify({ model: 'crossed', input: 'go', ...request }))
const create = (request: object, key?: string) => world.client(key).responses.create(params(request))
const executed = () => world.server.requests.filter(({ rpcMethod }) => rpcMethod === 'tools/call').length

async function stream(request: object) {
  const events: OpenAI.Responses.ResponseStreamEvent[] = []
  const parsed = world.client().responses.stream({ ...params(request), stream: true })
  for await (const event of parsed) events.push(event)
  const final: Parsed = await parsed.finalResponse()
  return { events, final, types: events.map(({ type }) => type) }
}

const itemTypes = ({ output }: Pick<Parsed, 'output'>) => output.map(({ type }) => type)

const objectsIn = (value: JsonValue | undefined) => (Array.isArray(value) ? value.filter(isJsonObject) : [])

/** A native answer, which counts otherwise than those that are crossed. */
function nativeResponse(output: JsonObject[], id = 'resp_native'): JsonObject {
  const usage = { input_tokens: 4, output_tokens: 2, total_tokens: 6 }
  return { id, object: 'response', created_at: 1, model: 'gpt-fake', status: 'completed', output, usage }
}

describe('a response of a model that knows chat completions', () => {
  it('is crossed both ways, whole and streamed', async () => {
    const answer = completion({ content: 'Good day.', reasoning_content: 'hm' })
    world.play(answer)
    const whole = await create({ instructions: 'Be kind.', input: [{ role: 'user', content: 'Hi' }] })
    expect(whole).toMatchObject({
      object: 'response',
      status: 'completed',
      output_text: 'Good day.',
      model: 'crossed',
    })
    expect(itemTypes(whole)).toEqual(['reasoning', 'message'])
    expect(whole.usage).toMatchObject({ input_tokens: 10, output_tokens: 5, total_tokens: 15 })
    expect(messagesIn(world.asked[0])).toEqual([
      { role: 'system', content: 'Be kind.' },
      { role: 'user', content: 'Hi' },
    ])

    world.play(answer)
    const { final, types, events } = await stream({})
    expect(final.output_text).toBe('Good day.')
    expect(itemTypes(final)).toEqual(['reasoning', 'message'])
    expect(types.slice(0, 2)).toEqual(['response.created', 'response.in_progress'])
    expect(types.at(-1)).toBe('response.completed')
    expect(types.filter((type) => type === 'response.output_text.delta').length).toBeGreaterThan(1)
    expect(events.map(({ sequence_number: at }) => at)).toEqual(events.map((_, index) => index))
  })

  verifies('responses:codex', 'takes what Codex sends: namespaces, custom tools, lists as outputs', async () => {
    const tools = [
      { type: 'function', name: 'shell', parameters: { type: 'object', properties: {} } },
      {
        type: 'namespace',
        name: 'mcp__gw',
        description: 'x',
        tools: [{ type: 'function', name: 'get_sum', parameters: {} }],
      },
      { type: 'custom', name: 'apply_patch', format: { type: 'text' } },
      { type: 'web_search' },
    ]
    const first = [
      toolCall('mcp__gw__get_sum', { a: 1 }, 'call_a'),
      toolCall('apply_patch', { input: '*** patch' }, 'call_b'),
    ]
    world.play(completion({ content: null, tool_calls: first }))
    const asked = { tools, store: false, include: ['reasoning.encrypted_content'], client_metadata: { a: 'b' } }
    const { final } = await stream(asked)
    expect(final.output).toMatchObject([
      { type: 'function_call', name: 'get_sum', namespace: 'mcp__gw', call_id: 'call_a', arguments: '{"a":1}' },
      { type: 'custom_tool_call', name: 'apply_patch', call_id: 'call_b', input: '*** patch' },
    ])

    world.play(completion({ content: 'Done.' }))
    const input = [
      { type: 'message', role: 'developer', content: [{ type: 'input_text', text: 'Rules' }] },
      { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'go' }] },
      { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'x' },
      ...final.output,
      { type: 'function_call_output', call_id: 'call_a', output: [{ type: 'input_text', text: '2' }] },
      { type: 'custom_tool_call_output', call_id: 'call_b', output: 'ok' },
    ]
    expect((await create({ ...asked, input })).output_text).toBe('Done.')
    expect(resultsIn(world.asked[0])).toEqual(['2', 'ok'])
    expect(messagesIn(world.asked[0])[2]).toMatchObject({ tool_calls: [{ id: 'call_a' }, { id: 'call_b' }] })
    expect(JSON.stringify(messagesIn(world.asked[0]))).toContain('mcp__gw__get_sum')
  })

  verifies('clients:left-at-completion', 'was served also where its client leaves once it is completed', async () => {
    const { origin } = behind.use(await serveOnLoopback(world.gateway.app.fetch))
    const key = await world.gateway.makeKey({ key_alias: 'leaves-early' })
    for (const model of ['gpt', 'crossed']) {
      const native = responseEvents(nativeResponse([messageItem('Done.')]))
      const whole = completionEvents(completion({ content: 'Done.' }))
      // The provider keeps its stream open: it is the client that ends it.
      world.play({ events: model === 'gpt' ? native : whole, afterwards: 'stay' })
      const leaving = new AbortController()
      const response = await fetch(`${origin}/v1/responses`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        body: JSON.stringify({ model, input: 'Leave early.', stream: true }),
        signal: leaving.signal,
      })
      let text = ''
      for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
        text += chunk
        if (text.includes('event: response.completed')) break
      }
      leaving.abort()
    }
    const rows = await world.rows(2, ({ kind, keyAlias }) => kind === 'generation' && keyAlias === 'leaves-early')
    expect(rows.map(({ outcome }) => outcome)).toEqual(['ok', 'ok'])
  })

  verifies('responses:codex', 'is told to use POST where a WebSocket is tried', async () => {
    expect((await world.gateway.request('/v1/responses')).status).toBe(426)
  })

  verifies('responses:continue', 'is continued by its id, by its key alone, until it is deleted', async () => {
    const key = await world.gateway.makeKey()
    const other = await world.gateway.makeKey()
    world.play(completion({ content: 'One.' }), completion({ content: 'Two.' }))
    const first = await create({ input: 'Count.' }, key)
    const next = { previous_response_id: first.id, input: 'On.' }
    await create(next, key)
    expect(messagesIn(world.asked[1]).map(({ content }) => content)).toEqual(['Count.', 'One.', 'On.'])

    await expect(create(next, other)).rejects.toMatchObject({ status: 400, param: 'previous_response_id' })
    expect((await world.client(key).responses.retrieve(first.id)).output_text).toBe('One.')
    await world.client(key).responses.delete(first.id)
    await expect(world.client(key).responses.retrieve(first.id)).rejects.toMatchObject({ status: 404 })
    await expect(create(next, key)).rejects.toMatchObject({ status: 400 })
  })

  it('that is streamed can be continued as well', async () => {
    world.play(completion({ content: 'One.' }), completion({ content: 'Two.' }))
    const { final } = await stream({ input: 'Count.' })
    await create({ previous_response_id: final.id, input: 'On.' })
    expect(messagesIn(world.asked[1]).map(({ content }) => content)).toEqual(['Count.', 'One.', 'On.'])
  })
})

describe('a response with gateway tools', () => {
  const rounds = [
    completion({ content: 'Let me.', tool_calls: [toolCall('srv-echo', { message: 'hi' }, 'call_x')] }),
    completion({ content: 'It says hi.' }),
  ]

  verifies('responses:one-lifecycle', 'is one response to the SDK, with MCP items in OpenAI’s order', async () => {
    world.play(...rounds)
    const { final, types } = await stream({ tools: mcp() })
    expect(itemTypes(final)).toEqual(['mcp_list_tools', 'message', 'mcp_call', 'message'])
    expect(final.output[2]).toMatchObject({
      name: 'srv-echo',
      arguments: '{"message":"hi"}',
      output: 'hi',
      error: null,
      status: 'completed',
      server_label: 'srv',
    })
    expect(final.output_text).toBe('Let me.It says hi.')
    expect(final.usage).toMatchObject({ total_tokens: 30 })
    expect(types.filter((type) => type === 'response.created')).toHaveLength(1)
    expect(types.filter((type) => type === 'response.completed')).toHaveLength(1)
    expect(types.filter((type) => type.includes('mcp'))).toEqual([
      'response.mcp_list_tools.in_progress',
      'response.mcp_list_tools.completed',
      'response.mcp_call.in_progress',
      'response.mcp_call_arguments.delta',
      'response.mcp_call_arguments.done',
      'response.mcp_call.completed',
    ])
    expect(types.some((type) => type.startsWith('response.function_call'))).toBe(false)

    world.play(...rounds)
    const whole = await create({ tools: mcp() })
    expect(itemTypes(whole)).toEqual(itemTypes(final))
    expect(whole.output_text).toBe(final.output_text)
  })

  verifies('responses:one-lifecycle', 'is continued with what the gateway did, by id and by its items', async () => {
    for (const byId of [true, false]) {
      world.play(...rounds, completion({ content: 'Again.' }))
      const { final } = await stream({ tools: mcp(), input: 'Say hi.' })
      const more = { role: 'user', content: 'More.' }
      const before = executed()
      await create({
        tools: mcp(),
        ...(byId
          ? { previous_response_id: final.id, input: [more] }
          : { input: ['Say hi.', ...final.output, more].map(asItem) }),
      })
      expect(executed()).toBe(before)
      expect(resultsIn(world.asked[2])).toEqual(['hi'])
      expect(JSON.stringify(world.asked[2]?.['messages'])).not.toContain('mcp_call')
    }
  })

  const asItem = (item: unknown) => (typeof item === 'string' ? { role: 'user', content: item } : item)

  verifies('responses:approval', 'asks for approval, runs what is approved and nothing else', async () => {
    const asking = completion({
      tool_calls: [toolCall('srv-echo', { message: 'yes' }, 'c1'), toolCall('srv-echo', { message: 'no' }, 'c2')],
    })
    for (const streamed of [true, false]) {
      world.play(asking, completion({ content: 'Decided.' }))
      const tools = mcp({ require_approval: 'always' })
      const before = executed()
      const first = streamed ? (await stream({ tools })).final : await create({ tools })
      const requests = first.output.filter(({ type }) => type === 'mcp_approval_request')
      expect(requests).toMatchObject([{ name: 'srv-echo', arguments: '{"message":"yes"}' }, { name: 'srv-echo' }])
      expect(executed()).toBe(before)

      const input = requests.map(({ id }, at) => ({
        type: 'mcp_approval_response',
        approval_request_id: id,
        approve: at === 0,
      }))
      const request = { tools, previous_response_id: first.id, input }
      const second = streamed ? (await stream(request)).final : await create(request)
      expect(second.output_text).toBe('Decided.')
      expect(executed()).toBe(before + 1)
      expect(resultsIn(world.asked[1])).toEqual(['yes', expect.stringContaining('did not approve')])
      expect(second.output.filter(({ type }) => type === 'mcp_call')).toMatchObject([{ output: 'yes' }])
    }
  })

  verifies('responses:one-lifecycle', 'hands functions of the client over beside what the gateway ran', async () => {
    world.play(
      completion({
        tool_calls: [toolCall('srv-echo', { message: 'mine' }, 'a'), toolCall('get_weather', { city: 'Bern' }, 'b')],
      }),
      completion({ content: 'It rains.' }),
    )
    const tools = [{ type: 'function', name: 'get_weather', parameters: { type: 'object', properties: {} } }, ...mcp()]
    const { final } = await stream({ tools })
    expect(itemTypes(final).toSorted()).toEqual(['function_call', 'mcp_call', 'mcp_list_tools'])
    const output = { type: 'function_call_output', call_id: 'b', output: 'rain' }
    const next = await create({ tools, previous_response_id: final.id, input: [output] })
    expect(next.output_text).toBe('It rains.')
    expect(new Set(resultsIn(world.asked[1]))).toEqual(new Set(['mine', 'rain']))
  })

  it('fails in one error that the SDK throws', async () => {
    world.play(rounds[0] ?? {}, { status: 500, json: { error: { message: 'out of order' } } })
    await expect(stream({ tools: mcp() })).rejects.toMatchObject({ message: expect.stringContaining('out of order') })
  })
})

describe('a stream that breaks off', () => {
  const said = completionEvents(completion({ content: 'Half of it.' })).slice(0, 2)
  const begun = responseEvents(nativeResponse([messageItem('Half')])).slice(0, -1)

  for (const [model, tools, events] of [
    ['crossed', [], said],
    ['crossed', mcp(), said],
    ['gpt', [], begun],
  ] as const) {
    verifies('responses:one-lifecycle', `numbers its error as the next event: ${model}, ${tools.length}`, async () => {
      world.play({ events, afterwards: 'cut' })
      const response = await world.gateway.request('/v1/responses', {
        body: { model, input: 'x', stream: true, tools },
      })
      const numbers = [...(await response.text()).matchAll(/"sequence_number":(\d+)/g)].map(([, at]) => Number(at))
      expect(numbers.length).toBeGreaterThan(3)
      expect(numbers).toEqual(numbers.map((_, index) => (numbers[0] ?? 0) + index))
    })
  }
})

describe('a provider that has Responses itself', () => {
  verifies('responses:relayed', 'is relayed byte for byte, unknown fields and ids included', async () => {
    const odd = { ...nativeResponse([messageItem('Hi.')]), future_field: { a: [1] } }
    world.play({ json: odd })
    const body = { model: 'gpt', input: 'x', previous_response_id: 'resp_of_openai', future: true }
    expect(await world.gateway.json('/v1/responses', { body })).toEqual(odd)
    expect(world.asked[0]).toEqual({ ...body, model: 'gpt-fake' })

    const events = responseEvents(odd)
    world.play({ events })
    const streamed = await world.gateway.request('/v1/responses', { body: { ...body, stream: true } })
    expect(await streamed.text()).toBe(events.join(''))
    expect(world.llm.requests.at(-1)?.path).toBe('/v1/responses')
    await world.rows(
      1,
      ({ method, promptTokens, completionTokens }) =>
        method === 'responses' && promptTokens === 4 && completionTokens === 2,
    )
  })

  verifies('responses:one-lifecycle', 'has its own items kept, and its calls of gateway tools run', async () => {
    const thinking = { id: 'rs_1', type: 'reasoning', summary: [], encrypted_content: 'sealed' }
    const call = callItem({ id: 'call_n', name: 'srv-echo', input: { message: 'hi' } })
    world.play(
      { events: responseEvents(nativeResponse([thinking, call])) },
      { events: responseEvents(nativeResponse([messageItem('It says hi.')], 'resp_second')) },
    )
    const { final } = await stream({ model: 'gpt', tools: mcp() })
    expect(itemTypes(final)).toEqual(['mcp_list_tools', 'reasoning', 'mcp_call', 'message'])
    expect(world.asked[1]?.['input']).toMatchObject([
      { role: 'user', content: 'go' },
      thinking,
      { type: 'function_call', call_id: 'call_n' },
      { type: 'function_call_output', call_id: 'call_n', output: 'hi' },
    ])
  })

  const calling = (name: string, inputs: object[], callId: string) =>
    inputs.map((input, at) => ({
      ...callItem({ id: callId, name, input: { ...input } }),
      id: `fc_${name}_${at}`,
    }))
  const answering = (streamed: boolean, output: JsonObject[]) => {
    const response = nativeResponse(output)
    return streamed ? { events: responseEvents(response) } : { json: response }
  }

  for (const streamed of [true, false]) {
    for (const callId of ['', 'same']) {
      const kind = `call_id "${callId}", streamed: ${streamed}`
      verifies(
        'responses:one-lifecycle',
        `has each call answered by its own result, whatever its ids: ${kind}`,
        async () => {
          const own = { type: 'function', name: 'get_weather', parameters: { type: 'object', properties: {} } }
          world.play(
            answering(streamed, calling('srv-echo', [{ message: 'a' }, { message: 'b' }], callId)),
            answering(streamed, calling('get_weather', [{ city: 'Bern' }, { city: 'Rom' }], callId)),
          )
          const request = { model: 'gpt', tools: [own, ...mcp()] }
          const { final, events } = streamed ? await stream(request) : { final: await create(request), events: [] }
          expect(final.output.filter(({ type }) => type === 'mcp_call')).toMatchObject(
            ['a', 'b'].map((message) => ({
              status: 'completed',
              arguments: JSON.stringify({ message }),
              output: message,
            })),
          )
          const [, first, second, ...results] = objectsIn(world.asked[1]?.['input'])
          expect([first, second, ...results]).toMatchObject([
            { type: 'function_call', arguments: '{"message":"a"}' },
            { type: 'function_call', arguments: '{"message":"b"}' },
            { type: 'function_call_output', call_id: first?.['call_id'], output: 'a' },
            { type: 'function_call_output', call_id: second?.['call_id'], output: 'b' },
          ])
          const handed = final.output.flatMap((item) => (item.type === 'function_call' ? [item.call_id] : []))
          for (const ids of [[first?.['call_id'], second?.['call_id']], handed]) {
            expect(new Set(ids.filter((id) => id !== '')).size).toBe(2)
          }
          const told = events.flatMap((event) =>
            'item' in event && event.item.type === 'function_call' ? [event.item] : [],
          )
          expect(told.map(({ call_id }) => call_id)).toEqual(streamed ? handed.flatMap((id) => [id, id]) : [])
        },
      )
    }
  }

  verifies('responses:one-lifecycle', 'has its items in their places, in whatever order they ended', async () => {
    const calls = calling('srv-echo', [{ message: 'a' }, { message: 'b' }], '')
    const events = responseEvents(nativeResponse(calls)).slice(0, -1)
    const isEnd = (event: string) => event.startsWith('event: response.output_item.done')
    const [endsEmpty = ''] = responseEvents(nativeResponse([])).slice(-1)
    world.play(
      { events: [...events.filter((event) => !isEnd(event)), ...events.filter(isEnd).toReversed(), endsEmpty] },
      { events: responseEvents(nativeResponse([messageItem('Both.')])) },
    )
    const { final } = await stream({ model: 'gpt', tools: mcp() })
    expect(final.output.filter(({ type }) => type === 'mcp_call')).toMatchObject([{ output: 'a' }, { output: 'b' }])
    expect(objectsIn(world.asked[1]?.['input']).slice(1)).toMatchObject([
      { type: 'function_call', arguments: '{"message":"a"}' },
      { type: 'function_call', arguments: '{"message":"b"}' },
      { type: 'function_call_output', output: 'a' },
      { type: 'function_call_output', output: 'b' },
    ])
  })

  it('is asked for chat completions where it turns out to have none', async () => {
    world.play({ status: 404, json: { detail: 'Not Found' } }, completion({ content: 'Old but fine.' }))
    expect((await create({ model: 'old' })).output_text).toBe('Old but fine.')
    await create({ model: 'old' })
    expect(world.llm.requests.slice(-3).map(({ path }) => path)).toEqual([
      '/old/v1/responses',
      '/old/v1/chat/completions',
      '/old/v1/chat/completions',
    ])
  })
})
