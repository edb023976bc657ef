import type { JsonObject } from '@toolgate/core'
import { expect } from 'vitest'
import { type Answered, type LlmDoor, noParameters } from './door.ts'
import { namedEventsIn, objectIn, objects, words, wordsOf } from './read-answer.ts'

export const messages: LlmDoor = {
  name: 'messages',
  model: 'gpt',
  path: () => '/v1/messages',
  body: ({ streamed, entries, functions }) => ({
    max_tokens: 100,
    messages: [{ role: 'user', content: 'go' }],
    tools: [...functions.map((name) => ({ name, input_schema: noParameters })), ...entries],
    ...(streamed && { stream: true }),
  }),
  readWhole: messagesAnswer,
  readStream: messagesStream,
}

function messagesAnswer({
  content,
  stop_reason: finish,
  usage,
  provider_specific_fields: report,
}: JsonObject): Answered {
  const blocks = objects(content)
  return {
    text: wordsOf(blocks, 'text'),
    thought: wordsOf(blocks, 'thinking'),
    handed: blocks
      .filter(({ type }) => type === 'tool_use')
      .map(({ name, input }) => ({ name: words(name), input: input ?? null })),
    items: [],
    finish: finish ?? null,
    usage: usage ?? null,
    report: report ?? null,
  }
}

function messagesStream(text: string): Answered {
  const events = namedEventsIn(text)
  const types = events.map(({ type }) => words(type)).filter((type) => type !== 'ping')
  expect(types.join(' ')).toMatch(
    /^message_start(?: content_block_start(?: content_block_delta)* content_block_stop)* message_delta message_stop$/,
  )
  const blocks: JsonObject[] = []
  let input = ''
  for (const { type, index, content_block: begun, delta } of events) {
    if (!words(type).startsWith('content_block_')) continue
    if (type === 'content_block_start') blocks.push(objectIn(begun))
    expect(index).toBe(blocks.length - 1)
    const block = blocks.at(-1) ?? {}
    const { text: said, thinking, partial_json: piece } = objectIn(delta)
    if (said !== undefined) block['text'] = `${words(block['text'])}${words(said)}`
    if (thinking !== undefined) block['thinking'] = `${words(block['thinking'])}${words(thinking)}`
    input = type === 'content_block_start' ? '' : input + words(piece)
    if (type === 'content_block_stop' && input !== '') block['input'] = JSON.parse(input)
  }
  const [start, end] = [events[0], events.find(({ type }) => type === 'message_delta') ?? {}]
  const { stop_reason: reason } = objectIn(end['delta'])
  return messagesAnswer({
    ...objectIn(start?.['message']),
    ...end,
    content: blocks,
    stop_reason: reason ?? null,
  })
}
