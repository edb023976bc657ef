import { createAnthropic } from '@ai-sdk/anthropic'
import { createOpenAI } from '@ai-sdk/openai'
import { isJsonObject, type JsonObject } from '@toolgate/core'
import { Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, setTracingDisabled } from '@openai/agents'
import { completion, completionEvents, type ScriptedAnswer, toolCall } from '@toolgate/testing/llm-server'
import { type SdkMcpServer, startMcpServer } from '@toolgate/testing/mcp-server'
import { streamText } from 'ai'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { verifies } from '../verifies.ts'
import { crossed } from './chat-models.ts'
import { resultsIn } from './chat-world.ts'
import { anthropicSdk, openAiSdk } from './sdk-clients.ts'
import { startToolWorld, type ToolWorld } from './tool-world.ts'

/**
 * The official SDKs as judges, each with a stream of its own door, in front of a model that writes its streams as carelessly as
 * models in the field do. Whatever it does, the tool runs once and the SDK has one answer.
 */
const behind = new AsyncDisposableStack()
let world: ToolWorld<SdkMcpServer>
beforeAll(async () => {
  setTracingDisabled(true)
  world = behind.use(await startToolWorld(startMcpServer, { models: (llm) => [crossed(llm)] }))
})
afterAll(() => behind.disposeAsync())

const headers = { 'x-mcp-servers': 'srv' }
const prompt = 'go'
const openAi = (maxRetries = 0) => openAiSdk(world.gateway, { defaultHeaders: headers, maxRetries })

async function readAll(texts: AsyncIterable<string>): Promise<string> {
  const pieces: string[] = []
  for await (const piece of texts) pieces.push(piece)
  return pieces.join('')
}

async function readVercel(model: Parameters<typeof streamText>[0]['model'], maxRetries: number): Promise<string> {
  let failure: unknown
  const { textStream } = streamText({
    model,
    prompt,
    maxOutputTokens: 100,
    headers,
    maxRetries,
    onError({ error }) {
      failure = error
    },
  })
  const text = await readAll(textStream)
  if (failure !== undefined) throw failure
  return text
}

async function runAgent(model: OpenAIChatCompletionsModel | OpenAIResponsesModel): Promise<string> {
  const runner = new Runner({ tracingDisabled: true })
  const run = await runner.run(new Agent({ name: 'judge', model }), prompt, { stream: true })
  const text = await readAll(run.toTextStream())
  await run.completed
  return text
}

const vercel = () => ({
  apiKey: world.gateway.masterKey,
  baseURL: 'http://toolgate.test/v1',
  fetch: world.gateway.fetch,
})

/** Asks once, streaming, and has the whole text of the answer. */
const judges: Record<string, (maxRetries?: number) => Promise<string>> = {
  'OpenAI, chat': async (maxRetries) => {
    const stream = openAi(maxRetries).chat.completions.stream({
      model: 'crossed',
      messages: [{ role: 'user', content: prompt }],
    })
    return (await stream.finalContent()) ?? ''
  },
  'OpenAI, responses': async (maxRetries) => {
    const stream = openAi(maxRetries).responses.stream({ model: 'crossed', input: prompt })
    return (await stream.finalResponse()).output_text
  },
  'Anthropic, messages': async (maxRetries = 0) => {
    const client = anthropicSdk(world.gateway, { defaultHeaders: headers, maxRetries })
    return client.messages
      .stream({ model: 'crossed', max_tokens: 100, messages: [{ role: 'user', content: prompt }] })
      .finalText()
  },
  'Vercel AI, chat': (maxRetries = 0) => readVercel(createOpenAI(vercel()).chat('crossed'), maxRetries),
  'Vercel AI, responses': (maxRetries = 0) => readVercel(createOpenAI(vercel()).responses('crossed'), maxRetries),
  'Vercel AI, messages': (maxRetries = 0) => readVercel(createAnthropic(vercel())('crossed'), maxRetries),
  'OpenAI Agents, chat': (maxRetries) => runAgent(new OpenAIChatCompletionsModel(openAi(maxRetries), 'crossed')),
  'OpenAI Agents, responses': (maxRetries) => runAgent(new OpenAIResponsesModel(openAi(maxRetries), 'crossed')),
}

const called = completionEvents(
  completion({ content: null, tool_calls: [toolCall('srv-echo', { message: 'Größe 🌡' }, 'call_1')] }),
)
const said = completionEvents(completion({ content: 'Größe: 42 °C 🌡 – naïve' }))
const text = 'Größe: 42 °C 🌡 – naïve'

const chunk = (delta: JsonObject, finish: string | null = null) =>
  `data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`
const call = {
  index: 0,
  id: 'call_1',
  type: 'function',
  function: { name: 'srv-echo', arguments: '{"message":"Größe 🌡"}' },
}
const done = 'data: [DONE]\n\n'

/** Every byte by itself: characters and frames are cut wherever they can be. */
const bytewise = (events: readonly string[]): ScriptedAnswer => ({
  pieces: [...Buffer.from(events.join(''))].map((byte) => Uint8Array.of(byte)),
})

const careless: [string, ScriptedAnswer, ScriptedAnswer][] = [
  ['writes every byte by itself', bytewise(called), bytewise(said)],
  [
    'sends no ids of calls',
    { events: [chunk({ tool_calls: [{ index: 0, function: call.function }] }), chunk({}, 'tool_calls'), done] },
    { events: said },
  ],
  [
    'sends arguments as an object',
    {
      events: [
        chunk({ tool_calls: [{ ...call, function: { name: 'srv-echo', arguments: { message: 'Größe 🌡' } } }] }),
        chunk({}, 'tool_calls'),
        done,
      ],
    },
    { events: said },
  ],
  [
    'begins with empty choices',
    { events: ['data: {"id":"","choices":[],"prompt_filter_results":[]}\n\n', ...called] },
    { events: ['data: {"choices":[]}\n\n', ...said] },
  ],
  [
    'finishes wrongly, and late',
    { events: [chunk({ tool_calls: [call] }), chunk({ content: '' }, 'stop'), done] },
    { events: [chunk({ content: text }), chunk({}), chunk({}, 'tool_calls'), chunk({ content: '' }), done] },
  ],
  [
    'calls without saying a word, not even a role',
    { events: [chunk({ tool_calls: [call] }, 'tool_calls')] },
    { events: [chunk({ content: text }, 'stop')] },
  ],
]

describe.each(Object.entries(judges))('%s', (_, ask) => {
  for (const [how, first, second] of careless) {
    verifies('sdks:careless-models', `has one answer of a model that ${how}`, async () => {
      world.play(first, second)
      expect(await ask()).toBe(text)
      expect(world.asked).toHaveLength(2)
      expect(resultsOf(world.asked[1])).toEqual(['Größe 🌡'])
    })
  }

  verifies('sdks:careless-models', 'asks again where the model has no time', async () => {
    const busy = { status: 429, json: { error: { message: 'slow down' } }, headers: { 'retry-after': '0' } }
    world.play(busy, { events: called }, { events: said })
    expect(await ask(1)).toBe(text)
  })

  verifies('sdks:careless-models', 'is told of a stream that breaks off, and has no answer', async () => {
    world.play({ events: said.slice(0, 3), afterwards: 'cut' })
    await expect(ask()).rejects.toBeInstanceOf(Error)
  })
})

function resultsOf(body: JsonObject | undefined): unknown[] {
  const { input } = body ?? {}
  const outputs = Array.isArray(input)
    ? input.filter(isJsonObject).filter(({ type }) => type === 'function_call_output')
    : []
  return outputs.length > 0 ? outputs.map(({ output }) => output) : resultsIn(body)
}
