import { type Clock, definePlug, isJsonObject, type JsonObject, type NewId, parseJsonObject } from '@toolgate/core'
import { z } from 'zod'
import { cancelled } from '../cancelled.ts'
import { toText } from '../dialects/chat-turn.ts'
import { listOf, textOf } from '../json-fields.ts'
import { type ChunkHead, doneEvent, toChunk, toEvent, toUsageChunk, wantsUsage } from './chat-events.ts'
import { mockEmbeddings } from './mock-embeddings.ts'
import type { LlmProvider, ProviderOptions } from './provider.ts'

/**
 * A model that works offline and always does the same. With `mock_response` it answers that; else, when the last user
 * message names an offered tool and JSON arguments after it (`echo {"message":"hi"}`), it calls the tool; when the last
 * message is a tool's result, it answers with it. Its embeddings are near one another where texts share words.
 */
export const mock = definePlug({
  type: 'mock',
  schema: z.object({ mock_response: z.string().optional() }),
  create: ({ mock_response: answer }, { clock, newId }: ProviderOptions): LlmProvider =>
    createMock({ answer, clock, newId }),
})

interface Mock {
  readonly answer: string | undefined
  readonly clock: Clock
  readonly newId: NewId
}

function createMock(model: Mock): LlmProvider {
  return {
    type: 'mock',
    async generate(body, signal) {
      if (signal.aborted) throw cancelled(signal)
      const message = reply(body, model)
      const { id, created, model: name } = headOf(body, model)
      return {
        id,
        object: 'chat.completion',
        created,
        model: name,
        choices: [{ index: 0, message, finish_reason: finishReasonOf(message) }],
        usage: usageOf(body, message),
      }
    },
    async stream(body, signal) {
      if (signal.aborted) throw cancelled(signal)
      return toStream(body, model)
    },
    async embed(body, signal) {
      if (signal.aborted) throw cancelled(signal)
      return mockEmbeddings(body)
    },
  }
}

function headOf({ model }: JsonObject, { clock, newId }: Mock): ChunkHead {
  return { id: newId('chatcmpl'), created: Math.floor(clock.now() / 1_000), model: textOf(model) }
}

async function* toStream(body: JsonObject, model: Mock): AsyncGenerator<Uint8Array> {
  const head = headOf(body, model)
  const message = reply(body, model)
  const { role, content, tool_calls: calls } = message
  yield toEvent(toChunk(head, { ...(role !== undefined && { role }), content: '' }))
  const words = textOf(content).match(/\S+\s*|\s+/g) ?? []
  for (const word of words) yield toEvent(toChunk(head, { content: word }))
  if (Array.isArray(calls)) {
    yield toEvent(
      toChunk(head, { tool_calls: calls.map((call, index) => (isJsonObject(call) ? { index, ...call } : call)) }),
    )
  }
  yield toEvent(toChunk(head, {}, finishReasonOf(message)))
  if (wantsUsage(body)) yield toEvent(toUsageChunk(head, usageOf(body, message)))
  yield doneEvent()
}

function reply(body: JsonObject, { answer, newId }: Mock): JsonObject {
  if (answer !== undefined) return says(answer)
  const messages = listOf(body['messages']).filter(isJsonObject)
  const last = messages.at(-1)
  if (last?.['role'] === 'tool') return says(toText(last['content']))
  const asked = toText(messages.findLast(({ role }) => role === 'user')?.['content'])
  const call = findCall(asked, offeredNames(body))
  if (call === undefined) return says(`Hello! This is the offline model. You said: ${asked}`)
  return {
    role: 'assistant',
    content: null,
    tool_calls: [{ id: newId('call'), type: 'function', function: { name: call.name, arguments: call.input } }],
  }
}

function says(content: string): JsonObject {
  return { role: 'assistant', content }
}

function finishReasonOf(message: JsonObject): string {
  return 'tool_calls' in message ? 'tool_calls' : 'stop'
}

function offeredNames({ tools }: JsonObject): string[] {
  return listOf(tools).flatMap((tool) => {
    const described = isJsonObject(tool) ? tool['function'] : undefined
    return isJsonObject(described) && typeof described['name'] === 'string' ? [described['name']] : []
  })
}

/** The longest name that stands before the arguments wins; a tool also goes by its name without prefix. */
function findCall(asked: string, offered: readonly string[]): { name: string; input: string } | undefined {
  const start = asked.indexOf('{')
  const input = start === -1 ? undefined : parseJsonObject(asked.slice(start, asked.lastIndexOf('}') + 1))
  if (input === undefined) return undefined
  const words = new Set(asked.slice(0, start).match(/[A-Za-z0-9_-]+/g))
  const [found] = offered
    .flatMap((name) => spellings(name).map((spelling) => ({ name, spelling })))
    .filter(({ spelling }) => words.has(spelling))
    .toSorted((left, right) => right.spelling.length - left.spelling.length)
  return found && { name: found.name, input: JSON.stringify(input) }
}

function spellings(name: string): string[] {
  const parts = name.split(/(?<=[-_])/)
  return parts.map((_, index) => parts.slice(index).join('')).filter((tail) => /^[A-Za-z0-9]/.test(tail))
}

/** Words stand in for tokens: budgets and ledgers have something to count. */
function usageOf({ messages }: JsonObject, { content }: JsonObject): JsonObject {
  const promptTokens = countWords(JSON.stringify(messages ?? []))
  const completionTokens = countWords(textOf(content))
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  }
}

function countWords(text: string): number {
  return text.match(/\S+/g)?.length ?? 0
}
