import { completion, message, messageEvents, toolCall } from '@toolgate/testing/llm-server'
import { resultFor, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { serveOnLoopback } from '@toolgate/testing/loopback'
import { type SdkMcpServer, startMcpServer } from '@toolgate/testing/mcp-server'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { verifies } from '../verifies.ts'
import { claude } from './chat-models.ts'
import { clientFunction, mcp, reportOf, resultsIn, startChatWorld, toParams } from './chat-world.ts'
import { startToolWorld, type ToolWorld } from './tool-world.ts'

const behind = new AsyncDisposableStack()
let world: ToolWorld<SdkMcpServer>
beforeAll(async () => {
  world = behind.use(await startToolWorld(startMcpServer, { models: (llm) => [claude(llm)] }))
})
afterAll(() => behind.disposeAsync())

const rounds = [
  completion({ content: 'Let me look.', tool_calls: [toolCall('srv-echo', { message: 'hi' }, 'call_x')] }),
  completion({ content: 'And count.', tool_calls: [toolCall('srv-count', { steps: 1 }, 'call_y')] }),
  completion({ content: 'There: hi, 1.' }),
]
const wholeText = 'Let me look.\n\nAnd count.\n\nThere: hi, 1.'

/** `stream` of {@link toParams} is not in the SDK's types. */
function isStream(answer: object): answer is AsyncIterable<unknown> {
  return Symbol.asyncIterator in answer
}

async function readChunks(request: object) {
  const stream = await world.client().chat.completions.create({ ...toParams(request), stream: true })
  const chunks: OpenAI.Chat.Completions.ChatCompletionChunk[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return { chunks, deltas: chunks.flatMap(({ choices }) => choices) }
}

describe('a stream with gateway tools', () => {
  verifies('chat:several-rounds', 'is one completion to the SDK: its text, its finish, its usage', async () => {
    world.play(...rounds)
    const parsed = world
      .client()
      .chat.completions.stream({ ...toParams({}), stream: true, stream_options: { include_usage: true } })
    const completed = await parsed.finalChatCompletion()
    expect(completed.choices).toHaveLength(1)
    expect(completed.choices[0]).toMatchObject({
      finish_reason: 'stop',
      message: { role: 'assistant', content: wholeText },
    })
    expect(completed.choices[0]?.message.tool_calls).toBeUndefined()
    expect(completed.usage).toMatchObject({ prompt_tokens: 30, completion_tokens: 15, total_tokens: 45 })
    expect(resultsIn(world.asked[2])).toEqual(['hi', 'counted to 1'])
  })

  it('has one id, one role and one finish, and nothing of a call of the gateway', async () => {
    world.play(...rounds)
    const { chunks, deltas } = await readChunks({})
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1)
    expect(new Set(chunks.map(({ model }) => model))).toEqual(new Set(['gpt']))
    expect(chunks.every(({ object }) => object === 'chat.completion.chunk')).toBe(true)
    expect(deltas.flatMap(({ delta }) => delta.role ?? [])).toEqual(['assistant'])
    expect(deltas.flatMap(({ finish_reason: reason }) => reason ?? [])).toEqual(['stop'])
    expect(deltas.at(-1)?.finish_reason).toBe('stop')
    expect(deltas.flatMap(({ delta }) => delta.tool_calls ?? [])).toEqual([])
    expect(deltas.map(({ delta }) => delta.content ?? '').join('')).toBe(wholeText)
    expect(chunks.filter(({ usage }) => usage)).toEqual([])
  })

  verifies('chat:several-rounds', 'keeps the calls of an answer that is no stream apart, without ids too', async () => {
    const { id: _none, ...echo } = toolCall('srv-echo', { message: 'one' }, '')
    const { id: _neither, ...count } = toolCall('srv-count', { steps: 1 }, '')
    const whole = completion({ content: null, tool_calls: [echo, count, { ...echo, id: '' }] })
    world.play({ json: whole }, completion({ content: 'Done.' }))
    const { deltas } = await readChunks({})
    expect(deltas.map(({ delta }) => delta.content ?? '').join('')).toBe('Done.')
    expect(resultsIn(world.asked[1])).toEqual(['one', 'counted to 1', 'one'])
  })

  verifies(
    'chat:several-rounds',
    'keeps whole calls of a stream apart, all without id and at one index or none',
    async () => {
      const echo = (message: string) => ({ function: { name: 'srv-echo', arguments: JSON.stringify({ message }) } })
      const count = { function: { name: 'srv-count', arguments: '{"steps": 1}' } }
      for (const placed of [{}, { index: 0 }, { id: '' }, { index: 0, id: '' }]) {
        const calls = [echo('one'), count, echo('two'), echo('two')].map((call) => ({
          ...placed,
          type: 'function',
          ...call,
        }))
        const chunk = (delta: object, reason: string | null) =>
          `data: ${JSON.stringify({ id: 'x', choices: [{ index: 0, delta, finish_reason: reason }] })}\n\n`
        for (const deltas of [[calls], calls.map((call) => [call])]) {
          const events = [...deltas.map((some) => chunk({ tool_calls: some }, null)), chunk({}, 'tool_calls')]
          world.play({ events: [...events, 'data: [DONE]\n\n'] }, completion({ content: 'Done.' }))
          await readChunks({})
          expect(resultsIn(world.asked[1])).toEqual(['one', 'counted to 1', 'two', 'two'])
        }
      }
    },
  )

  verifies('chat:several-rounds', 'takes one call for one however its provider says its name again', async () => {
    const piece = (name: string, written: string) => ({ index: 0, function: { name, arguments: written } })
    const chunk = (delta: object, reason: string | null) =>
      `data: ${JSON.stringify({ id: 'x', choices: [{ index: 0, delta, finish_reason: reason }] })}\n\n`
    for (const pieces of [
      [piece('srv-echo', '{"message"'), piece('srv-echo', ': "{one}'), piece('srv-echo', '"}'), piece('srv-echo', '')],
      [piece('srv-', ''), piece('echo', ''), piece('', '{"message": "{one}"}')],
    ]) {
      const events = [...pieces.map((some) => chunk({ tool_calls: [some] }, null)), chunk({}, 'tool_calls')]
      world.play({ events: [...events, 'data: [DONE]\n\n'] }, completion({ content: 'Done.' }))
      await readChunks({})
      expect(resultsIn(world.asked[1])).toEqual(['{one}'])
    }
  })

  verifies('chat:one-lifecycle-per-stream', 'has one finish where its provider says its reason again', async () => {
    const chunk = (delta: object, reason: string | null) =>
      `data: ${JSON.stringify({ id: 'x', choices: [{ index: 0, delta, finish_reason: reason }] })}\n\n`
    const events = [chunk({ content: 'hi' }, null), chunk({}, 'length'), chunk({}, 'length'), 'data: [DONE]\n\n']
    world.play({ events })
    const { deltas } = await readChunks({})
    expect(deltas.flatMap(({ finish_reason: reason }) => reason ?? [])).toEqual(['length'])
    const asked = { model: 'gpt', stream: true, max_tokens: 9, messages: [{ role: 'user', content: 'go' }] }
    const message = await (await world.gateway.request('/v1/messages', { body: asked })).text()
    expect(message).toContain('"stop_reason":"max_tokens"')
  })

  it('says the same as the answer without streaming', async () => {
    world.play(...rounds)
    const whole = (await world.complete()).choices[0]?.message
    world.play(...rounds)
    const { deltas } = await readChunks({})
    expect(deltas.map(({ delta }) => delta.content ?? '').join('')).toBe(whole?.content)
    const reports = deltas.map(({ delta }) => reportOf(delta)).filter((report) => Object.keys(report).length > 0)
    expect(reports).toEqual([reportOf(whole)])
  })

  it('sends the text of a round while its tools still run', async () => {
    const release = Promise.withResolvers<void>()
    await using held = await startRawMcpServer(async (request) => {
      if (request.message['method'] !== 'tools/call') return undefined
      await release.promise
      return { body: resultFor(request, { content: [{ type: 'text', text: 'late' }] }) }
    })
    await using own = await startChatWorld({ servers: { held: { url: held.url } } })
    own.play(
      completion({ content: 'Wait.', tool_calls: [toolCall('held-echo', {})] }),
      completion({ content: 'Done.' }),
    )
    const stream = await own.client().chat.completions.create({ ...toParams({}), stream: true })
    const texts: string[] = []
    for await (const { choices } of stream) {
      for (const { delta } of choices) if (delta.content) texts.push(delta.content)
      if (texts.length > 0) release.resolve()
    }
    expect(texts.join('')).toEqual('Wait.\n\nDone.')
    expect(texts[0]).toBe('Wait.')
  })

  verifies('chat:mixed-turns', 'hands the client its own calls, whole, under one finish', async () => {
    world.play(
      completion({
        content: 'Both.',
        tool_calls: [toolCall('get_weather', { city: 'Bern' }), toolCall('srv-echo', { message: 'mine' })],
      }),
    )
    const completed = await world
      .client()
      .chat.completions.stream({ ...toParams({ tools: [clientFunction('get_weather'), ...mcp()] }), stream: true })
      .finalChatCompletion()
    expect(completed.choices[0]).toMatchObject({
      finish_reason: 'tool_calls',
      message: { content: 'Both.', tool_calls: [{ function: { name: 'get_weather', arguments: '{"city":"Bern"}' } }] },
    })
    expect(completed.choices[0]?.message.tool_calls).toHaveLength(1)
  })

  verifies('chat:executes-tools', 'works on a Claude model as well', async () => {
    world.play(
      {
        events: messageEvents(
          message([
            { type: 'text', text: 'Let me.' },
            { type: 'tool_use', id: 'toolu_1', name: 'srv-echo', input: { message: 'hi' } },
          ]),
        ),
      },
      { events: messageEvents(message([{ type: 'text', text: 'It says hi.' }])) },
    )
    const completed = await world
      .client()
      .chat.completions.stream({ ...toParams({ model: 'claude' }), stream: true })
      .finalChatCompletion()
    expect(completed.choices[0]).toMatchObject({
      finish_reason: 'stop',
      message: { content: 'Let me.\n\nIt says hi.' },
    })
  })
})

describe('a stream that cannot go on', () => {
  it('is a plain error as long as the model has said nothing', async () => {
    world.play({ status: 429, json: { error: { message: 'slow down' } } })
    await expect(readChunks({})).rejects.toMatchObject({ status: 429, message: expect.stringContaining('slow down') })
  })

  it('ends with an error that the SDK throws when a later round fails', async () => {
    world.play(completion({ content: 'First.', tool_calls: [toolCall('srv-echo', { message: 'x' })] }), {
      status: 500,
      json: { error: { message: 'out of order' } },
    })
    const texts: string[] = []
    const read = async () => {
      const stream = await world.client().chat.completions.create({ ...toParams({}), stream: true })
      for await (const { choices } of stream)
        for (const { delta } of choices) if (delta.content) texts.push(delta.content)
    }
    await expect(read()).rejects.toMatchObject({ message: expect.stringContaining('out of order') })
    expect(texts.join('')).toBe('First.')
  })
})

describe('a client that goes away', () => {
  const cancelled = () =>
    world.server.requests.filter(({ rpcMethod }) => rpcMethod === 'notifications/cancelled').length
  const calling = () => world.server.requests.filter(({ rpcMethod }) => rpcMethod === 'tools/call').length
  const waiting = completion({ content: 'Hold on.', tool_calls: [toolCall('srv-wait', {})] })
  let remote: OpenAI
  beforeAll(async () => {
    // A lost connection is what is told: the gateway sees it at its socket.
    const { origin } = behind.use(await serveOnLoopback(world.gateway.app.fetch))
    remote = new OpenAI({ apiKey: world.gateway.masterKey, baseURL: `${origin}/v1`, maxRetries: 0 })
  })

  /** Reads the answer until the client gives up. */
  async function readUntilAborted(request: object, signal: AbortSignal): Promise<void> {
    const read = async () => {
      const answer = await remote.chat.completions.create(toParams(request), { signal })
      if (isStream(answer)) for await (const _ of answer) continue
      // The SDK ends an aborted stream without an error.
      signal.throwIfAborted()
      return 'answered'
    }
    await expect(read()).rejects.toThrow(/abort/i)
  }

  for (const stream of [false, true]) {
    const how = stream ? 'streaming' : 'not streaming'

    it(`ends the request to the model, ${how}`, async () => {
      world.play({ hang: true })
      const before = world.llm.abandoned
      const client = new AbortController()
      const reading = readUntilAborted({ stream }, client.signal)
      await vi.waitFor(() => expect(world.asked).toHaveLength(1))
      client.abort()
      await reading
      await vi.waitFor(() => expect(world.llm.abandoned).toBe(before + 1))
    })

    it(`ends the tool that runs, and no further round begins, ${how}`, async () => {
      world.play(waiting)
      const before = { calls: calling(), cancelled: cancelled() }
      const client = new AbortController()
      const reading = readUntilAborted({ stream }, client.signal)
      await vi.waitFor(() => expect(calling()).toBe(before.calls + 1))
      client.abort()
      await reading
      await vi.waitFor(() => expect(cancelled()).toBe(before.cancelled + 1))
      await world.rows(stream ? 2 : 1, (row) => row.outcome === 'CANCELLED' && row.targetName === 'wait')
      expect(world.asked).toHaveLength(1)
    })
  }

  it('ends a relayed stream at the provider', async () => {
    world.play({ events: ['data: {"id":"1","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'], afterwards: 'stay' })
    const before = world.llm.abandoned
    const stream = await remote.chat.completions.create({ ...toParams({ tools: undefined }), stream: true })
    for await (const _ of stream) break
    await vi.waitFor(() => expect(world.llm.abandoned).toBe(before + 1))
    await world.rows(
      1,
      ({ kind, round, outcome }) => kind === 'generation' && round === null && outcome === 'CANCELLED',
    )
  })
})
