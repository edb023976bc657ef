import { completion, toolCall } from '@toolgate/testing/llm-server'
import { type RawMcpServer, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { verifies } from '../verifies.ts'
import { crossed } from './chat-models.ts'
import { mcp } from './chat-world.ts'
import { anthropicSdk, openAiSdk } from './sdk-clients.ts'
import { startToolWorld, type ToolWorld } from './tool-world.ts'

/** SDKs as their users have them: they repeat by themselves what fails. */
const behind = new AsyncDisposableStack()
let world: ToolWorld<RawMcpServer>
beforeAll(async () => {
  world = behind.use(await startToolWorld(startRawMcpServer, { models: (llm) => [crossed(llm)] }))
})
afterAll(() => behind.disposeAsync())

const messages = [{ role: 'user', content: 'go' }] as const
const asking = (more: object) => JSON.parse(JSON.stringify({ model: 'crossed', tools: mcp(), ...more }))

const doors: [string, (more: object) => Promise<unknown>][] = [
  ['chat completions', (more) => openAiSdk(world.gateway).chat.completions.create(asking({ messages, ...more }))],
  ['Responses', (more) => openAiSdk(world.gateway).responses.create(asking({ input: 'go', ...more }))],
  ['Messages', (more) => anthropicSdk(world.gateway).messages.create(asking({ messages, max_tokens: 9, ...more }))],
]

async function readAll(answer: unknown): Promise<void> {
  if (typeof answer !== 'object' || answer === null || !isStream(answer)) return
  for await (const _event of answer);
}

function isStream(answer: object): answer is AsyncIterable<unknown> {
  return Symbol.asyncIterator in answer
}

describe('a request that fails after its tools have run', () => {
  for (const [door, create] of doors) {
    for (const stream of [false, true]) {
      verifies(
        'models:retries',
        `is not repeated by the SDK of ${door}, ${stream ? 'streamed' : 'whole'}`,
        async () => {
          const calls = completion({ content: null, tool_calls: [toolCall('srv-echo', {})] })
          const failure = { status: 500, json: { error: { message: 'down' } } }
          world.play(calls, failure, calls, failure, calls, failure)
          const before = world.server.received('tools/call').length
          await expect(create({ stream }).then(readAll)).rejects.toThrow('down')
          expect(world.server.received('tools/call')).toHaveLength(before + 1)
        },
      )
    }
  }

  verifies('models:retries', 'is told from one that has run none', async () => {
    world.play({ status: 503, json: { error: { message: 'down' } } }, completion({ content: 'fine' }))
    expect(await openAiSdk(world.gateway).chat.completions.create(asking({ messages }))).toMatchObject({
      choices: [{ message: { content: 'fine' } }],
    })
  })
})
