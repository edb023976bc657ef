import type { LanguageModelV4StreamPart } from '@ai-sdk/provider'
import type { JsonObject } from '@toolgate/core'
import { type ChunkHead, doneEvent, toChunk, toEvent, toUsageChunk } from '../chat-events.ts'
import { toCall, toChatUsage, toFinishReason } from './result-to-chat.ts'

export interface ChatStreamOptions {
  readonly head: ChunkHead
  /** The client asked for `stream_options.include_usage`. */
  readonly includeUsage: boolean
}

/** An AI SDK stream as OpenAI's. A tool call is sent when it is complete. Throws what the stream reports as an error. */
export async function* toChatEvents(
  parts: AsyncIterable<LanguageModelV4StreamPart>,
  { head, includeUsage }: ChatStreamOptions,
): AsyncGenerator<Uint8Array> {
  yield toEvent(toChunk(head, { role: 'assistant', content: '' }))
  let calls = 0
  for await (const part of parts) {
    if (part.type === 'error') throw part.error
    if (part.type === 'finish') {
      yield toEvent(toChunk(head, {}, toFinishReason(part.finishReason)))
      if (includeUsage) yield toEvent(toUsageChunk(head, toChatUsage(part.usage)))
      continue
    }
    const delta = toDelta(part, calls)
    if (delta === undefined) continue
    if ('tool_calls' in delta) calls += 1
    yield toEvent(toChunk(head, delta))
  }
  yield doneEvent()
}

function toDelta(part: LanguageModelV4StreamPart, index: number): JsonObject | undefined {
  if (part.type === 'text-delta') return { content: part.delta }
  if (part.type === 'reasoning-delta') return { reasoning_content: part.delta }
  if (part.type === 'tool-call' && !part.providerExecuted) return { tool_calls: [{ index, ...toCall(part) }] }
  return undefined
}
