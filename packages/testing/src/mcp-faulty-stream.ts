import type { ServerResponse } from 'node:http'
import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises'
import { isJsonObject, type JsonObject } from '@toolgate/core'
import type { Exchange, Fault } from './mcp-faulty.ts'
import { answer, textResult } from './mcp-faulty-answers.ts'
import { succeeds, written } from './mcp-faulty-http.ts'

/** Wrong answers as event streams. Objects become one `message` event each, texts and bytes go out as they are. */

type Sent = object | string | Uint8Array

/** The stream ends with the list. */
export const events =
  (list: (exchange: Exchange) => Iterable<Sent> | AsyncIterable<Sent>): Fault =>
  async (exchange) => {
    const { response } = exchange
    begin(response)
    for await (const event of list(exchange)) {
      if (response.destroyed) return
      await written(response, bytesOf(event))
    }
    response.end()
  }

/** The stream is cut after the list. */
export const cutEvents =
  (list: (exchange: Exchange) => Iterable<Sent>): Fault =>
  async ({ response, ...rest }) => {
    begin(response)
    for (const event of list({ response, ...rest })) await written(response, bytesOf(event))
    // What is buffered must leave before the socket is cut.
    await turn()
    response.destroy()
  }

/** The same again and again, some hundred times a second, for as long as anybody listens. */
export const forEver = (event: (exchange: Exchange) => Sent): Fault =>
  events(async function* (exchange) {
    for (;;) {
      yield event(exchange)
      await pause(5)
    }
  })

export const endlessProgress = forEver(({ message: { params } }) => {
  const meta = isJsonObject(params) ? params['_meta'] : undefined
  const progressToken = isJsonObject(meta) ? (meta['progressToken'] ?? null) : null
  return notification('notifications/progress', { progressToken, progress: 1 })
})

/** Nothing may be wrong with this one: the first answer counts. */
export const streamsAnswerTwice = events(({ message }) => [
  answer(message['id'], textResult('the first')),
  answer(message['id'], textResult('the second')),
])

export const streamsCharacterInHalves = events(async function* ({ message }) {
  const bytes = Buffer.from(`data: ${succeeds(message['id'], 'half 🧨 whole')}\n\n`)
  const middle = bytes.indexOf(Buffer.from('🧨')) + 2
  yield bytes.subarray(0, middle)
  await turn()
  yield bytes.subarray(middle)
})

/** Announces changes of its tools faster than anybody can read them again, then answers. */
export const floodsThenAnswers = events(function* ({ message }) {
  for (let count = 0; count < 5_000; count += 1) yield notification('notifications/tools/list_changed')
  yield answer(message['id'], textResult('after the flood'))
})

/** One event that never ends, of about this many bytes. */
export const oneEndlessEvent = (bytes: number): Fault =>
  events(function* () {
    yield 'data: '
    const chunk = Buffer.alloc(1024 * 1024, 'x')
    for (let sent = 0; sent < bytes; sent += chunk.length) yield chunk
  })

export function notification(method: string, params: JsonObject = {}): JsonObject {
  return { jsonrpc: '2.0', method, params }
}

export function eventOf(message: object): string {
  return `event: message\ndata: ${JSON.stringify(message)}\n\n`
}

function begin(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.flushHeaders()
}

function bytesOf(event: Sent): string | Uint8Array {
  return typeof event === 'string' || event instanceof Uint8Array ? event : eventOf(event)
}
