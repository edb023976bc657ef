import { type Content, type GenerateContentResponse, GoogleGenAI } from '@google/genai'
import type { JsonObject, JsonValue } from '@toolgate/core'
import { describeOnStores } from '@toolgate/testing/database'
import { completion, toolCall } from '@toolgate/testing/llm-server'
import { serveOnLoopback } from '@toolgate/testing/loopback'
import { startMcpServer } from '@toolgate/testing/mcp-server'
import { geminiAnswers } from '@toolgate/testing/provider-answers'
import { afterAll, beforeAll, expect } from 'vitest'
import { verifies } from '../verifies.ts'
import { gemini } from './chat-models.ts'
import { type ChatWorld, messagesIn, startChatWorld } from './chat-world.ts'

/** Google's own chats remember a streamed answer piece by piece, each as a content of the model's, and send it so. */
interface Replica {
  readonly world: ChatWorld
  readonly origin: string
}

function chatAt({ world, origin }: Replica, model: string, history: Content[] = []) {
  const httpOptions = { baseUrl: origin, headers: { 'x-mcp-servers': 'srv' } }
  const functionDeclarations = ['get_weather', 'get_time'].map((name) => ({ name }))
  const config = { tools: [{ functionDeclarations }] }
  return new GoogleGenAI({ apiKey: world.gateway.masterKey, httpOptions }).chats.create({ model, config, history })
}

async function read(pieces: AsyncIterable<GenerateContentResponse>) {
  const calls: { id?: string; name?: string }[] = []
  let said = ''
  for await (const { text, functionCalls } of pieces) {
    said += text ?? ''
    calls.push(...(functionCalls ?? []))
  }
  return { said, calls }
}

const text = 'Let me look.'
const calls = [
  { id: 'g1', name: 'srv-echo', input: { message: 'hi' } },
  { id: 'g2', name: 'get_weather', input: { city: 'Bern' } },
  { id: 'g3', name: 'get_time', input: {} },
]
const rain = { response: { output: 'rain' } }
const noon = { response: { output: 'noon' } }

/** A mixed turn and its end, of each kind of model, and what the model must have been told of both when the client goes on. */
const turns = [
  {
    model: 'gemini',
    mixed: geminiAnswers.stream({ text, calls }),
    final: geminiAnswers.stream({ text: 'It rains at noon.' }),
    told: ({ contents }: JsonObject): JsonValue[] => (Array.isArray(contents) ? contents : []),
    expected: [
      { role: 'user', parts: [{ text: 'go' }] },
      {
        role: 'model',
        parts: [
          { text },
          { functionCall: { id: 'g1', name: 'srv-echo' }, thoughtSignature: 'signed' },
          { functionCall: { name: 'get_weather' } },
          { functionCall: { name: 'get_time' } },
        ],
      },
      {
        role: 'user',
        parts: [
          { functionResponse: { id: 'g1', response: { output: 'hi' } } },
          { functionResponse: { name: 'get_weather', ...rain } },
          { functionResponse: { name: 'get_time', ...noon } },
        ],
      },
      { role: 'model', parts: [{ text: 'It rains at noon.' }] },
      { role: 'user', parts: [{ text: 'thanks' }] },
    ],
  },
  {
    model: 'gpt',
    mixed: completion({ content: text, tool_calls: calls.map(({ id, name, input }) => toolCall(name, input, id)) }),
    final: completion({ content: 'It rains at noon.' }),
    told: messagesIn,
    expected: [
      { role: 'user', content: [{ type: 'text', text: 'go' }] },
      {
        role: 'assistant',
        content: text,
        tool_calls: calls.map(({ name }) => ({ function: { name } })),
      },
      { role: 'tool', content: 'hi' },
      { role: 'tool', content: 'rain' },
      { role: 'tool', content: 'noon' },
      { role: 'assistant', content: 'It rains at noon.' },
      { role: 'user', content: [{ type: 'text', text: 'thanks' }] },
    ],
  },
]

describeOnStores('a chat of Google’s that streams its answers', (openStore) => {
  const behind = new AsyncDisposableStack()
  let here: Replica
  let elsewhere: Replica
  beforeAll(async () => {
    const server = behind.use(await startMcpServer())
    const store = await openStore()
    const replica = async (database: ChatWorld['database']): Promise<Replica> => {
      const servers = { srv: { url: server.url } }
      const world = behind.use(await startChatWorld({ servers, database, models: (llm) => [gemini(llm)] }))
      return { world, origin: behind.use(await serveOnLoopback(world.gateway.app.fetch)).origin }
    }
    here = await replica(store.database)
    elsewhere = await replica(await store.openAgain())
  })
  afterAll(() => behind.disposeAsync())

  for (const { model, mixed, final, told, expected } of turns) {
    for (const place of ['where it began', 'elsewhere']) {
      verifies('gemini:chats', `goes on with a mixed turn ${place}, nothing said twice: ${model}`, async () => {
        here.world.play(mixed)
        const begun = chatAt(here, model)
        const { said, calls: own } = await read(await begun.sendMessageStream({ message: 'go' }))
        expect(said).toBe(text)
        expect(own.map(({ name }) => name)).toEqual(['get_weather', 'get_time'])

        const replica = place === 'elsewhere' ? elsewhere : here
        const chat = chatAt(replica, model, begun.getHistory())
        replica.world.play(final)
        const results = own.map(({ id = '', name = '' }, at) => ({
          functionResponse: { id, name, ...[rain, noon][at] },
        }))
        const answer = await read(await chat.sendMessageStream({ message: results }))
        expect(answer.said).toBe('It rains at noon.')
        expect(told(replica.world.asked[0] ?? {})).toMatchObject(expected.slice(0, -2))
        await read(await chat.sendMessageStream({ message: 'thanks' }))
        expect(told(replica.world.asked[1] ?? {})).toMatchObject(expected)
      })
    }
  }
})
