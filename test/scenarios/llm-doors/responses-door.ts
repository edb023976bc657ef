import type { JsonObject } from '@toolgate/core'
import { expect } from 'vitest'
import { type Answered, type LlmDoor, noParameters } from './door.ts'
import { namedEventsIn, objectIn, objects, words, wordsOf } from './read-answer.ts'

export const responses: LlmDoor = {
  name: 'responses',
  model: 'gpt',
  path: () => '/v1/responses',
  body: ({ streamed, entries, functions }) => ({
    input: 'go',
    tools: [...functions.map((name) => ({ type: 'function', name, parameters: noParameters })), ...entries],
    ...(streamed && { stream: true }),
  }),
  readWhole: responsesAnswer,
  readStream: responsesStream,
}

function responsesAnswer({ output, usage, status, metadata }: JsonObject): Answered {
  const items = objects(output)
  const of = (type: string) => items.filter((item) => item['type'] === type)
  const content = (type: string, field: string) => of(type).flatMap((item) => objects(item[field]))
  return {
    text: wordsOf(content('message', 'content'), 'text'),
    thought: wordsOf([...content('reasoning', 'summary'), ...content('reasoning', 'content')], 'text'),
    handed: [...of('function_call'), ...of('mcp_approval_request')].map(({ name, arguments: input }) => ({
      name: words(name),
      input: JSON.parse(words(input)),
    })),
    items: items.map(({ type, id: _id, call_id: _callId, approval_request_id: _request, ...item }) =>
      words(type).startsWith('mcp_') ? { type: type ?? null, ...item } : (type ?? null),
    ),
    finish: status ?? null,
    usage: usage ?? null,
    report: metadata ?? null,
  }
}

function responsesStream(text: string): Answered {
  const events = namedEventsIn(text)
  expect(events.map((event) => event['sequence_number'])).toEqual(Array.from(events.keys()))
  expect(events.slice(0, 2).map(({ type }) => type)).toEqual(['response.created', 'response.in_progress'])
  const last = events.at(-1) ?? {}
  const isEnd = ({ type }: JsonObject) => /^response\.(?:completed|incomplete|failed)$/.test(words(type))
  expect(events.filter(isEnd)).toEqual([last])
  const response = objectIn(last['response'])
  expect(objectIn(events[0]?.['response'])['id']).toBe(response['id'])

  const done: JsonObject[] = []
  let added = 0
  const open = new Set<unknown>()
  for (const { type, output_index: index, item } of events) {
    if (type === 'response.output_item.added') {
      expect(index).toBe(added)
      added += 1
      open.add(index)
    } else if (index !== undefined) expect(open).toContain(index)
    if (type !== 'response.output_item.done') continue
    open.delete(index)
    done[Number(index)] = objectIn(item)
  }
  expect(open.size).toBe(0)
  expect(done).toEqual(response['output'])
  const spoken = events.filter(({ type }) => type === 'response.output_text.delta')
  const answered = responsesAnswer(response)
  expect(wordsOf(spoken, 'delta')).toBe(answered.text)
  return answered
}
