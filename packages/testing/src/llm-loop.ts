import type { JsonObject } from '@toolgate/core'
import { completionEvents } from './llm-server.ts'

/** Answers of a model, one per round, past the end the last again; keeps what it was asked. */
export function scriptedModel(answers: readonly JsonObject[]) {
  const asked: JsonObject[] = []
  return {
    asked,
    generate: async (body: JsonObject): Promise<JsonObject> => {
      asked.push(body)
      const answer = answers[Math.min(asked.length, answers.length) - 1]
      if (answer === undefined) throw new Error('the script is empty')
      return answer
    },
  }
}

/** The same as streams, cut where it hurts: within characters and within events. */
export function streamingModel(answers: readonly JsonObject[]) {
  const { asked, generate } = scriptedModel(answers)
  return {
    asked,
    stream: async (body: JsonObject): Promise<AsyncIterable<Uint8Array>> =>
      inPieces(Buffer.from(completionEvents(await generate(body)).join(''))),
  }
}

async function* inPieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 11) yield bytes.subarray(at, at + 11)
}

/** Ids that count: `call_1`, `call_2`, … */
export function countingIds(): (prefix: string) => string {
  let count = 0
  return (prefix) => {
    count += 1
    return `${prefix}_${count}`
  }
}

/** Approvals that nobody used before, and of which nothing is kept. */
export const unusedApprovals = {
  use: async (_owner: string, requestIds: readonly string[]): Promise<ReadonlySet<string>> => new Set(requestIds),
  keep: async (): Promise<void> => {},
  find: async (): Promise<ReadonlyMap<string, never>> => new Map<string, never>(),
}

/** A `CallToolResult` of one text. */
export function textResult(text: string, isError = false): JsonObject {
  return { content: [{ type: 'text', text }], ...(isError && { isError }) }
}

export async function readText(bytes: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of bytes) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}

/** The `data` of a chat stream's events in order, parsed; `[DONE]` stays text, comments are left out. */
export async function readChatEvents(bytes: AsyncIterable<Uint8Array>): Promise<(JsonObject | '[DONE]')[]> {
  const events = (await readText(bytes)).split('\n\n').filter((event) => event.startsWith('data: '))
  return events.map((event) => {
    const data = event.slice('data: '.length)
    return data === '[DONE]' ? data : JSON.parse(data)
  })
}
