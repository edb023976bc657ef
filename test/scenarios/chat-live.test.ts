import type { JsonObject } from '@toolgate/core'
import { completion, completionEvents, type ScriptedAnswer, toolCall } from '@toolgate/testing/llm-server'
import { serveOnLoopback } from '@toolgate/testing/loopback'
import { type SdkMcpServer, startMcpServer } from '@toolgate/testing/mcp-server'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { verifies } from '../verifies.ts'
import { type ChatWorld, clientFunction, mcp, resultsIn, startChatWorld, toParams } from './chat-world.ts'

/** A model that speaks in pieces, asked with the official SDK: what its client sees, and when. */
const behind = new AsyncDisposableStack()
let world: ChatWorld
let server: SdkMcpServer
beforeAll(async () => {
  server = behind.use(await startMcpServer())
  world = behind.use(await startChatWorld({ servers: { srv: { url: server.url } } }))
})
afterAll(() => behind.disposeAsync())

type Chunk = OpenAI.Chat.Completions.ChatCompletionChunk

const streamed = (answer: JsonObject): ScriptedAnswer => ({ events: completionEvents(answer) })
const chunkOf = (choice: JsonObject, rest: JsonObject = {}) =>
  `data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', choices: [{ index: 0, ...choice }], ...rest })}\n\n`
const done = 'data: [DONE]\n\n'

async function read(request: object, onChunk: (chunk: Chunk) => void = () => {}, client = world.client()) {
  const chunks: Chunk[] = []
  const stream = await client.chat.completions.create({ ...toParams(request), stream: true })
  for await (const chunk of stream) {
    chunks.push(chunk)
    onChunk(chunk)
  }
  const deltas = chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta))
  return { chunks, deltas, text: deltas.map(({ content }) => content ?? '').join('') }
}

describe('a model that speaks in pieces', () => {
  const rounds = [
    streamed(completion({ content: 'Let me look.', tool_calls: [toolCall('srv-echo', { message: 'hi' }, 'call_x')] })),
    streamed(completion({ content: 'It says hi.' })),
  ]

  verifies('chat:one-lifecycle-per-stream', 'is one completion, and nothing of a gateway tool is in it', async () => {
    world.play(...rounds)
    const { chunks, deltas, text } = await read({ stream_options: { include_usage: true } })
    expect(text).toBe('Let me look.\n\nIt says hi.')
    expect(deltas.filter(({ content }) => content).length).toBeGreaterThan(3)
    expect(new Set(chunks.map(({ id, created, model }) => `${id} ${created} ${model}`)).size).toBe(1)
    expect(deltas.flatMap(({ role }) => role ?? [])).toEqual(['assistant'])
    expect(deltas.flatMap(({ tool_calls: calls }) => calls ?? [])).toEqual([])
    const finishes = chunks.flatMap(({ choices }) => choices.map(({ finish_reason: reason }) => reason))
    expect(finishes.filter((reason) => reason !== null)).toEqual(['stop'])
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: 20, total_tokens: 30 } })
    expect(world.asked[0]).toMatchObject({ stream: true, stream_options: { include_usage: true } })
    expect(resultsIn(world.asked[1])).toEqual(['hi'])
  })

  verifies('chat:one-lifecycle-per-stream', 'is heard while it still speaks', async () => {
    world.play({ events: [chunkOf({ delta: { content: 'First' } })], afterwards: 'stay' })
    const before = world.llm.abandoned
    const stream = await world.client().chat.completions.create({ ...toParams({}), stream: true })
    const texts: string[] = []
    for await (const { choices } of stream) {
      texts.push(choices[0]?.delta.content ?? '')
      if (texts.includes('First')) break
    }
    await vi.waitFor(() => expect(world.llm.abandoned).toBe(before + 1))
  })

  verifies('chat:one-lifecycle-per-stream', 'hands calls of the client over as they come', async () => {
    world.play(
      streamed(
        completion({
          tool_calls: [
            toolCall('srv-echo', { message: 'mine' }, 'same'),
            toolCall('get_weather', { city: 'Bern', days: 3 }, 'other'),
            toolCall('get_weather', { city: 'Basel' }, 'third'),
          ],
        }),
      ),
    )
    const { deltas } = await read({ tools: [clientFunction('get_weather'), ...mcp()] })
    const pieces = deltas.flatMap(({ tool_calls: calls }) => calls ?? [])
    expect(pieces.length).toBeGreaterThan(4)
    const indices = pieces.map(({ index }) => index)
    expect(indices).toEqual(indices.toSorted((left, right) => left - right))
    const inputs = [0, 1].map((at) =>
      pieces.flatMap((piece) => (piece.index === at ? [piece.function?.arguments ?? ''] : [])).join(''),
    )
    expect(inputs).toEqual(['{"city":"Bern","days":3}', '{"city":"Basel"}'])
    expect(JSON.stringify(pieces)).not.toContain('srv-echo')

    const ids = pieces.flatMap(({ id }) => id ?? [])
    expect(new Set(ids).size).toBe(2)
    const assistant = { role: 'assistant', tool_calls: ids.map((id) => toolCall('get_weather', {}, id)) }
    const results = ids.map((id) => ({ role: 'tool', tool_call_id: id, content: 'rain' }))
    world.play(streamed(completion({ content: 'It rains.' })))
    await read({
      tools: [clientFunction('get_weather'), ...mcp()],
      messages: [{ role: 'user', content: 'go' }, assistant, ...results],
    })
    expect(resultsIn(world.asked[0])).toEqual(['mine', 'rain', 'rain'])
  })

  it('passes on fields nobody here knows, of every round', async () => {
    world.play(
      {
        events: [
          chunkOf({ delta: { reasoning_content: 'hm', images: [{ url: 'a' }] }, logprobs: { content: [1] } }),
          chunkOf({ delta: { content: 'x', audio: { id: 'a', data: 'AA' } } }, { system_fingerprint: 'fp' }),
          chunkOf({ delta: { tool_calls: [{ index: 0, ...toolCall('srv-echo', { message: 'y' }) }] } }),
          chunkOf({ delta: {}, finish_reason: 'tool_calls' }),
          done,
        ],
      },
      streamed(completion({ content: 'z', reasoning_content: ' so' })),
    )
    const { chunks, deltas } = await read({})
    expect(deltas).toContainEqual(expect.objectContaining({ reasoning_content: 'hm', images: [{ url: 'a' }] }))
    expect(deltas).toContainEqual(expect.objectContaining({ audio: { id: 'a', data: 'AA' } }))
    expect(deltas).toContainEqual(expect.objectContaining({ reasoning_content: ' so' }))
    expect(chunks.some((chunk) => 'system_fingerprint' in chunk)).toBe(true)
    expect(chunks.flatMap(({ choices }) => choices.flatMap(({ logprobs }) => logprobs ?? []))).toEqual([
      { content: [1] },
    ])
  })

  it('holds its text back until the turn is known to be final where the answer is one JSON document', async () => {
    world.play(
      streamed(completion({ content: 'Thinking aloud', tool_calls: [toolCall('srv-echo', { message: 'x' })] })),
      streamed(completion({ content: '{"answer":42}' })),
    )
    const { text } = await read({ response_format: { type: 'json_object' } })
    expect(text).toBe('{"answer":42}')
  })
})

describe('progress of tools', () => {
  verifies('chat:tool-progress', 'is told to who asks for it, and no standard SDK minds', async () => {
    const rounds = [
      streamed(completion({ tool_calls: [toolCall('srv-count', { steps: 2 }, 'call_c')] })),
      streamed(completion({ content: 'Two.' })),
    ]
    world.play(...rounds)
    const request = { ...toParams({ stream_options: { include_mcp_progress: true } }), stream: true as const }
    const parsed = world.client().chat.completions.stream(request)
    const told: unknown[] = []
    for await (const chunk of parsed) if ('mcp_progress' in chunk) told.push(chunk.mcp_progress)
    expect((await parsed.finalChatCompletion()).choices[0]?.message.content).toBe('Two.')
    const about = { tool_call_id: 'call_c', name: 'srv-count', server_name: 'srv' }
    expect(told[0]).toEqual({ type: 'started', ...about })
    expect(told.at(-1)).toEqual({ type: 'finished', ...about, is_error: false })
    expect(told).toContainEqual(expect.objectContaining({ type: 'progress', ...about, progress: 1 }))
    expect(world.asked[0]?.['stream_options']).toEqual({ include_usage: true })

    world.play(...rounds)
    expect((await read({})).chunks.some((chunk) => 'mcp_progress' in chunk)).toBe(false)
  })
})

describe('a provider that misbehaves in its stream', () => {
  const call = { index: 0, id: 'c', type: 'function', function: { name: 'srv-echo', arguments: '{"message":"hi"}' } }
  const { index: _index, ...withoutIndex } = call
  const cases: [string, string[]][] = [
    [
      'ends without [DONE]',
      [chunkOf({ delta: { tool_calls: [call] } }), chunkOf({ delta: {}, finish_reason: 'stop' })],
    ],
    ['sends calls without index', [chunkOf({ delta: { tool_calls: [withoutIndex] } }), done]],
    [
      'sends arguments as an object',
      [
        chunkOf({ delta: { tool_calls: [{ ...call, function: { name: 'srv-echo', arguments: { message: 'hi' } } }] } }),
        done,
      ],
    ],
    ['sends no id', [chunkOf({ delta: { tool_calls: [{ index: 0, function: call.function }] } }), done]],
    [
      'repeats id and name in every piece',
      ['{"message"', ':"hi"}']
        .map((piece) =>
          chunkOf({ delta: { tool_calls: [{ ...call, function: { name: 'srv-echo', arguments: piece } }] } }),
        )
        .concat(done),
    ],
    ['sends whole messages in its chunks', [chunkOf({ message: { tool_calls: [call] }, finish_reason: 'stop' }), done]],
    [
      'sends empty choices and comments in between',
      [
        ': hello\n\n',
        'data: {"choices":[]}\n\n',
        chunkOf({ delta: { tool_calls: [call] } }).replaceAll('\n', '\r\n'),
        done,
      ],
    ],
  ]

  it.each(cases)('%s still has its tools run', async (_, events) => {
    world.play({ events }, streamed(completion({ content: 'Fine.' })))
    const { text } = await read({})
    expect(text).toBe('Fine.')
    expect(resultsIn(world.asked[1])).toEqual(['hi'])
  })

  it.each<[string, ScriptedAnswer, string]>([
    ['is cut', { events: [chunkOf({ delta: { content: 'Hal' } })], afterwards: 'cut' }, 'provider'],
    [
      'ends in the middle without a reason',
      { events: [chunkOf({ delta: { content: 'Hal' }, finish_reason: '' })] },
      'stopped in the middle',
    ],
    ['ends in the middle', { events: [chunkOf({ delta: { content: 'Hal' } })] }, 'stopped in the middle'],
    [
      'reports an error',
      { events: [chunkOf({ delta: { content: 'Hal' } }), 'data: {"error":{"message":"too hot"}}\n\n'] },
      'too hot',
    ],
    ['talks nonsense', { events: [chunkOf({ delta: { content: 'Hal' } }), 'data: <html>\n\n'] }, 'cannot be read'],
  ])('and %s ends the stream with one error that the SDK throws', async (_, answer, message) => {
    world.play(answer)
    const texts: string[] = []
    const reading = read({}, ({ choices }) => void texts.push(choices[0]?.delta.content ?? ''))
    await expect(reading).rejects.toMatchObject({ message: expect.stringContaining(message) })
    expect(texts.join('')).toBe('Hal')
  })

  it('by answering whole still has its tools run', async () => {
    world.play(
      { json: completion({ content: 'Now.', tool_calls: [toolCall('srv-echo', { message: 'hi' })] }) },
      { json: completion({ content: 'Fine.' }) },
    )
    expect((await read({})).text).toBe('Now.\n\nFine.')
    expect(resultsIn(world.asked[1])).toEqual(['hi'])
  })

  it('before it has said anything is a plain error', async () => {
    world.play({ events: ['data: {"error":{"message":"no capacity","code":503}}\n\n'] })
    await expect(read({})).rejects.toMatchObject({ status: 503, message: expect.stringContaining('no capacity') })
  })
})

describe('a client that hangs up in the middle of the text', () => {
  verifies('chat:hang-up-stops-all', 'ends the model behind a real socket at once', async () => {
    const { origin } = behind.use(await serveOnLoopback(world.gateway.app.fetch))
    const remote = new OpenAI({ apiKey: world.gateway.masterKey, baseURL: `${origin}/v1`, maxRetries: 0 })
    world.play({ events: [chunkOf({ delta: { content: 'On and' } })], afterwards: 'stay' })
    const before = world.llm.abandoned
    const stream = await remote.chat.completions.create({ ...toParams({}), stream: true })
    for await (const { choices } of stream) if (choices[0]?.delta.content === 'On and') break
    await vi.waitFor(() => expect(world.llm.abandoned).toBe(before + 1))
    await world.rows(1, ({ outcome, kind }) => kind === 'generation' && outcome === 'CANCELLED')
  })
})
