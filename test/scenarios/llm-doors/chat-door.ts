import { isJsonObject, type JsonObject } from '@toolgate/core'
import { expect } from 'vitest'
import { type Answered, type LlmDoor, noParameters } from './door.ts'
import { eventsIn, objectIn, objects, words, wordsOf } from './read-answer.ts'

export const chat: LlmDoor = {
  name: 'chat completions',
  model: 'gpt',
  path: () => '/v1/chat/completions',
  body: ({ streamed, entries, functions }) => ({
    messages: [{ role: 'user', content: 'go' }],
    tools: [
      ...functions.map((name) => ({ type: 'function', function: { name, parameters: noParameters } })),
      ...entries,
    ],
    ...(streamed && { stream: true, stream_options: { include_usage: true } }),
  }),
  readWhole: chatAnswer,
  readStream: chatStream,
}

function chatAnswer({ choices, usage }: JsonObject): Answered {
  const [{ message, finish_reason: finish } = {}] = objects(choices)
  const said = objectIn(message)
  return {
    text: words(said['content']),
    thought: words(said['reasoning_content']),
    handed: objects(said['tool_calls']).map(({ function: called }) => {
      const { name, arguments: input } = objectIn(called)
      return { name: words(name), input: JSON.parse(words(input)) }
    }),
    items: [],
    finish: finish ?? null,
    usage: usage ?? null,
    report: said['provider_specific_fields'] ?? null,
  }
}

function chatStream(text: string): Answered {
  const events = eventsIn(text)
  expect(events.pop()?.data).toBe('[DONE]')
  const chunks: JsonObject[] = events.map(({ data }) => JSON.parse(data))
  const choices = chunks.flatMap((chunk) => objects(chunk['choices']))
  const deltas = choices.map(({ delta }) => objectIn(delta))
  const finishes = choices.map(({ finish_reason: reason }) => reason ?? null).filter((reason) => reason !== null)
  expect(new Set(chunks.map(({ id, created }) => JSON.stringify([id, created]))).size).toBe(1)
  expect(deltas.filter(({ role }) => role !== undefined)).toHaveLength(1)
  expect(finishes).toHaveLength(1)
  expect(choices.at(-1)).toMatchObject({ finish_reason: finishes[0] })
  const usages = chunks.flatMap(({ usage }) => (isJsonObject(usage) ? [usage] : []))
  expect(usages).toHaveLength(1)

  const calls: { id: string; name: string; input: string }[] = []
  for (const { index, id, function: piece } of deltas.flatMap((delta) => objects(delta['tool_calls']))) {
    const { name, arguments: input } = objectIn(piece)
    const at = typeof index === 'number' ? index : -1
    expect(at === calls.length - 1 || at === calls.length).toBe(true)
    const call = (calls[at] ??= { id: words(id), name: '', input: '' })
    call.name += words(name)
    call.input += words(input)
  }
  expect(new Set(calls.map(({ id }) => id)).size).toBe(calls.length)
  return {
    text: wordsOf(deltas, 'content'),
    thought: wordsOf(deltas, 'reasoning_content'),
    handed: calls.map(({ name, input }) => ({ name, input: JSON.parse(input) })),
    items: [],
    finish: finishes[0] ?? null,
    usage: usages[0] ?? null,
    report: deltas.find((delta) => 'provider_specific_fields' in delta)?.['provider_specific_fields'] ?? null,
  }
}
