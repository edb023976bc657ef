import { type JsonObject, systemClock } from '@toolgate/core'
import { threadTimeOf } from '@toolgate/testing/thread-time'
import { expect, it } from 'vitest'
import { listOf } from '../json-fields.ts'
import type { Wire } from '../wire.ts'
import { crossGemini } from './gemini.ts'
import { crossMessages } from './messages.ts'
import { crossResponses } from './responses.ts'

const many = 100_000
const times = (toItem: (at: number) => JsonObject): JsonObject[] => Array.from({ length: many }, (_, at) => toItem(at))
const seams = { newId: () => 'id', clock: systemClock }

let asked: JsonObject = {}
const chat: Wire = {
  async generate(body) {
    asked = body
    return { choices: [{ message: { content: 'ok' } }] }
  },
  stream: () => Promise.reject(new Error('not asked for')),
}

const call = (id: string) => ({ functionCall: { id, name: 'f' } })
const result = (id: string) => ({ functionResponse: { id, name: 'f', response: {} } })

const conversations: [string, Wire, JsonObject][] = [
  [
    'calls of Gemini’s and results of none of them',
    crossGemini(chat, seams),
    {
      contents: [
        { role: 'model', parts: times((at) => call(`a${at}`)) },
        { role: 'user', parts: times((at) => result(`b${at}`)) },
      ],
    },
  ],
  [
    'calls of Gemini’s without ids, and their results',
    crossGemini(chat, seams),
    {
      contents: times(() => ({ role: 'model', parts: [call('')] })).flatMap((said) => [said, { parts: [result('')] }]),
    },
  ],
  [
    'calls of Responses',
    crossResponses(chat, seams),
    { input: times((at) => ({ type: 'function_call', call_id: `a${at}`, name: 'f', arguments: '{}' })) },
  ],
  [
    'messages of Anthropic’s',
    crossMessages(chat, seams),
    { messages: times(() => ({ role: 'assistant', content: [{ type: 'tool_use', id: 'a', name: 'f', input: {} }] })) },
  ],
]

it.each(conversations)('%s are crossed in time that grows with the conversation alone', async (_, wire, body) => {
  // What grows with the square of it takes many times as long.
  const spent = await threadTimeOf(() => wire.generate(body, new AbortController().signal))
  expect(listOf(asked['messages']).length).toBeGreaterThan(0)
  expect(spent).toBeLessThan(4_000)
})
