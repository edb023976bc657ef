import { isJsonObject, type JsonObject, systemClock } from '@toolgate/core'
import { callItem, messageItem, responseEvents } from '@toolgate/testing/responses-answers'
import { expect, it } from 'vitest'
import { listOf } from '../json-fields.ts'
import { openResponsesClientStream } from './responses-client-stream.ts'

const isEnd = (event: string) => event.startsWith('event: response.output_item.done')

/** Ends one by one and then with a response that has nothing in it, as some servers do. */
function endingEmpty(output: JsonObject[], arrange: (ends: string[]) => string[]): string[] {
  const response = { id: 'resp_1', object: 'response', status: 'completed' }
  const begun = responseEvents({ ...response, output }).slice(0, -1)
  const ends = arrange(begun.filter(isEnd))
  return [...begun.filter((event) => !isEnd(event)), ...ends, ...responseEvents({ ...response, output: [] }).slice(-1)]
}

const callsIn = (items: readonly unknown[]) =>
  items.filter(isJsonObject).flatMap(({ call_id: id, name }) => (name === undefined ? [] : [[name, id]]))

async function read(events: readonly string[]) {
  const told: unknown[] = []
  let count = 0
  const stream = openResponsesClientStream({
    body: {},
    tools: [],
    outcomes: [],
    send: async (bytes) => {
      const { item, type }: JsonObject = JSON.parse(/^data: (.*)$/m.exec(new TextDecoder().decode(bytes))?.[1] ?? '{}')
      if (type === 'response.output_item.added') told.push(item)
    },
    renderError: () => ({}),
    clock: systemClock,
    newId: (prefix) => `${prefix}_${(count += 1)}`,
    onResponse: async () => {},
  })
  const bytes = (async function* () {
    for (const event of events) yield new TextEncoder().encode(event)
  })()
  const { signal } = new AbortController()
  const round = { round: 0, closing: false, toolsRan: false, signal, isHandedBack: () => true }
  const answer = await stream.readRound(bytes, round)
  return { told: callsIn(told), answered: callsIn(listOf(answer['output'])) }
}

it.each([
  ['one item never ended', (ends: string[]) => ends.slice(1)],
  ['they ended in another order', (ends: string[]) => ends.toReversed()],
])('calls without ids have the same ones in the stream and in its answer: %s', async (_, arrange) => {
  const calls = ['a', 'b'].map((name) => ({ ...callItem({ id: '', name, input: {} }), id: `fc_${name}` }))
  const { told, answered } = await read(endingEmpty([messageItem('Calling.'), ...calls], arrange))
  expect(answered).toEqual(told)
  expect(new Set(told.map(([, id]) => id)).size).toBe(2)
})
