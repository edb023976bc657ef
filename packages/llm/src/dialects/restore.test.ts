import type { JsonObject } from '@toolgate/core'
import { threadTimeOf } from '@toolgate/testing/thread-time'
import { describe, expect, it } from 'vitest'
import type { Dialect } from './dialect.ts'
import { geminiDialect } from './gemini.ts'
import { messagesDialect } from './messages.ts'

const many = 100_000
const times = (item: JsonObject): JsonObject[] => Array.from({ length: many }, () => item)

const conversations: [string, Dialect, JsonObject][] = [
  [
    'messages',
    messagesDialect,
    {
      messages: [
        { role: 'assistant', content: [{ type: 'tool_use', id: 'a', name: 'f', input: {} }] },
        ...times({ role: 'user', content: [{ type: 'tool_result', tool_use_id: 'a', content: '' }] }),
      ],
    },
  ],
  [
    'gemini',
    geminiDialect,
    {
      contents: [
        { role: 'model', parts: [{ functionCall: { id: 'a', name: 'f' } }] },
        ...times({ role: 'user', parts: [{ functionResponse: { id: 'a', response: {} } }] }),
        ...times({ role: 'model', parts: [{ text: 'a' }] }),
      ],
    },
  ],
]

describe.each(conversations)('a conversation in the dialect %s', (_, dialect, body) => {
  it('takes no more than its length to put turns back into, however it is cut into pieces', async () => {
    // What grows with the square of the pieces takes ten times as long.
    expect(await threadTimeOf(() => dialect.restore(body, async () => new Map()))).toBeLessThan(2_000)
  })
})
