import { isJsonObject, type JsonObject } from '@toolgate/core'
import { expect } from 'vitest'
import type { Answered, LlmDoor } from './door.ts'
import { eventsIn, objectIn, objects, words, wordsOf } from './read-answer.ts'

export const gemini = (model: string): LlmDoor => ({
  name: 'gemini',
  model,
  path: (streamed) =>
    streamed ? `/v1beta/models/${model}:streamGenerateContent?alt=sse` : `/v1beta/models/${model}:generateContent`,
  body: ({ entries, functions }) => ({
    contents: [{ role: 'user', parts: [{ text: 'go' }] }],
    generationConfig: { thinkingConfig: { includeThoughts: true } },
    tools: [{ functionDeclarations: functions.map((name) => ({ name })) }, ...entries],
  }),
  readWhole: (answer) => geminiAnswer([answer]),
  readStream: (text) => geminiAnswer(eventsIn(text).map(({ data }) => JSON.parse(data))),
})

function geminiAnswer(pieces: readonly JsonObject[]): Answered {
  const candidates = pieces.flatMap(({ candidates: list }) => objects(list))
  const parts = candidates.flatMap(({ content }) => objects(objectIn(content)['parts']))
  const finishes = candidates.flatMap(({ finishReason: reason }) => (reason === undefined ? [] : [reason]))
  expect(finishes).toHaveLength(1)
  const last = pieces.at(-1) ?? {}
  expect(objects(last['candidates'])[0]).toHaveProperty('finishReason')
  expect(new Set(pieces.map(({ responseId: id }) => id)).size).toBe(1)
  return {
    text: wordsOf(
      parts.filter(({ thought }) => thought !== true),
      'text',
    ),
    thought: wordsOf(
      parts.filter(({ thought }) => thought === true),
      'text',
    ),
    handed: parts.flatMap(({ functionCall: call }) =>
      isJsonObject(call) ? [{ name: words(call['name']), input: call['args'] ?? null }] : [],
    ),
    items: [],
    finish: finishes[0] ?? null,
    usage: last['usageMetadata'] ?? null,
    report: last['provider_specific_fields'] ?? null,
  }
}
