import { afterAll, beforeAll, describe, expect } from 'vitest'
import { verifies } from '../verifies.ts'
import type { LlmDoor } from './llm-doors/door.ts'
import { llmDoors } from './llm-doors/doors.ts'
import { type DoorWorld, type Round, startDoorWorld } from './llm-doors/world.ts'

/** What answers call their model: `gpt-fake`, `claude-fake` and `gemini-fake` are the names that providers know, and never told. */
const behind = new AsyncDisposableStack()
let world: DoorWorld
beforeAll(async () => {
  world = behind.use(await startDoorWorld())
})
afterAll(() => behind.disposeAsync())

const entries = [{ type: 'mcp', server_label: 'gw', server_url: 'litellm_proxy', require_approval: 'never' }]
const called: Round[] = [{ calls: [{ id: 'c', name: 'srv-look', input: {} }] }, { text: 'Done.' }]

async function namesIn(door: LlmDoor, { streamed, tools }: { streamed: boolean; tools: boolean }): Promise<string[]> {
  world.play(tools ? called : [{ text: 'Done.' }])
  const question = door.body({ streamed, entries: tools ? entries : [], functions: [] })
  const response = await world.gateway.request(door.path(streamed), { body: { model: door.model, ...question } })
  const names = [...(await response.text()).matchAll(/"(?:model|modelVersion)":"([^"]*)"/g)]
  return [...new Set(names.map(([, name = '']) => name))]
}

const relayed = new Set([
  'chat completions, gpt',
  'responses on OpenAI, openai',
  'messages on Claude, claude',
  'gemini on Gemini, gemini',
])
/** Each door also with the models of the dialects that it does not speak. */
const crossed = llmDoors
  .filter(({ name }) => name === 'chat completions' || name === 'messages')
  .flatMap((door) => ['claude', 'gemini'].map((model) => ({ ...door, model })))
  .filter(({ name, model }) => name !== 'messages' || model !== 'claude')
const made = [...llmDoors, ...crossed].map((door) => ({ door, title: `${door.name}, ${door.model}` }))

describe.each([false, true])('an answer that the gateway makes, streamed: %s', (streamed) => {
  verifies('llm:model-name', 'calls its model what the client calls it, with tools', async () => {
    for (const { door } of made) expect(await namesIn(door, { streamed, tools: true })).toEqual([door.model])
  })

  verifies('llm:model-name', 'and where it is crossed', async () => {
    for (const { door } of made.filter(({ title }) => !relayed.has(title))) {
      expect(await namesIn(door, { streamed, tools: false })).toEqual([door.model])
    }
  })

  verifies('llm:model-name', 'while one that is relayed says what its provider says', async () => {
    const said = ['fake-model', 'fake-model', 'claude-3-haiku-20240307', 'gemini-fake']
    const doors = made.filter(({ title }) => relayed.has(title))
    for (const [at, { door }] of doors.entries()) {
      expect(await namesIn(door, { streamed, tools: false })).toEqual([said[at]])
    }
  })
})

describe.each([false, true])('a failure, streamed: %s', (streamed) => {
  verifies('llm:model-name', 'calls its model what the client calls it, but in its provider’s own words', async () => {
    for (const { door, title } of made) {
      world.play([{ text: '', fault: 'denied' }])
      const question = door.body({ streamed, entries: [], functions: [] })
      const response = await world.gateway.request(door.path(streamed), { body: { model: door.model, ...question } })
      const text = await response.text()
      expect([title, text]).toEqual([title, expect.stringContaining('Not this.')])
      expect([title, text]).toEqual([title, expect.not.stringContaining('-fake')])
    }
  })
})
