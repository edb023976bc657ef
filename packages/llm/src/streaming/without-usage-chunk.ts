import { isJsonObject, parseJsonObject } from '@toolgate/core'
import { createParser } from 'eventsource-parser'

/** Bytes of one event; a longer one is none of those that are looked for, and passes as it comes. */
const maxEventLength = 1_000_000
const eventEnd = /\r\n\r\n|\n\n|\r\r/g

/**
 * A stream of OpenAI's without the chunk that has nothing but usage: the gateway asked for it, the client did not. Everything
 * else passes byte for byte, an event as soon as it is whole.
 */
export async function* withoutUsageChunk(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  // One character a byte: what is no text, or cut within a character, goes out as it came in.
  let held = ''
  let overlong = false
  for await (const chunk of bytes) {
    const searched = Math.max(0, held.length - 3)
    held += Buffer.from(chunk).toString('latin1')
    let passing = ''
    let from = 0
    eventEnd.lastIndex = searched
    for (let end = eventEnd.exec(held); end !== null; end = eventEnd.exec(held)) {
      const event = held.slice(from, eventEnd.lastIndex)
      if (overlong || !isUsageChunk(event)) passing += event
      overlong = false
      from = eventEnd.lastIndex
    }
    held = held.slice(from)
    if (held.length > maxEventLength) {
      overlong = true
      passing += held.slice(0, -3)
      held = held.slice(-3)
    }
    if (passing !== '') yield Buffer.from(passing, 'latin1')
  }
  if (held !== '' && (overlong || !isUsageChunk(`${held}\n\n`))) yield Buffer.from(held, 'latin1')
}

function isUsageChunk(event: string): boolean {
  if (!event.includes('"usage"')) return false
  let found = false
  const parser = createParser({ onEvent: ({ data }) => void (found = hasOnlyUsage(data)) })
  parser.feed(event)
  return found
}

function hasOnlyUsage(data: string): boolean {
  const { usage, choices } = parseJsonObject(data) ?? {}
  return isJsonObject(usage) && Array.isArray(choices) && choices.length === 0
}
