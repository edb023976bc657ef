import type { LanguageModelV4StreamPart, SharedV4ProviderMetadata } from '@ai-sdk/provider'
import type { JsonObject } from '@toolgate/core'
import { type ChunkHead, doneEvent, toChunk, toEvent, toUsageChunk } from '../chat-events.ts'
import { toCall, toChatUsage, toFinishReason, toImage } from './result-to-chat.ts'
import { toThinkingBlock } from './signatures.ts'

export interface ChatStreamOptions {
  readonly head: ChunkHead
  /** The client asked for `stream_options.include_usage`. */
  readonly includeUsage: boolean
}

/**
 * An AI SDK stream as OpenAI's. A tool call is sent when it is complete. Throws what the stream reports as an error. It begins with
 * the provider's first word: until then another deployment may be asked.
 */
export async function* toChatEvents(
  parts: AsyncIterable<LanguageModelV4StreamPart>,
  { head, includeUsage }: ChatStreamOptions,
): AsyncGenerator<Uint8Array> {
  const role = toEvent(toChunk(head, { role: 'assistant', content: '' }))
  let begun = false
  let calls = 0
  const thoughts = openThoughts()
  for await (const part of parts) {
    if (part.type === 'error') throw part.error
    // The package's own, before anything was received.
    if (part.type === 'stream-start') continue
    if (!begun) yield role
    begun = true
    if (part.type === 'finish') {
      yield toEvent(toChunk(head, {}, toFinishReason(part.finishReason)))
      if (includeUsage) yield toEvent(toUsageChunk(head, toChatUsage(part.usage)))
      continue
    }
    const delta = thoughts.read(part) ?? toDelta(part, calls)
    if (delta === undefined) continue
    if ('tool_calls' in delta) calls += 1
    yield toEvent(toChunk(head, delta))
  }
  yield doneEvent()
}

function toDelta(part: LanguageModelV4StreamPart, index: number): JsonObject | undefined {
  if (part.type === 'text-delta') return { content: part.delta }
  if (part.type === 'reasoning-delta') return { reasoning_content: part.delta }
  if (part.type === 'file') return { images: toImage(part) }
  if (part.type === 'tool-call' && !part.providerExecuted) return { tool_calls: [{ index, ...toCall(part) }] }
  return undefined
}

/** Puts thoughts together: the signature comes with their end, and is wanted back with the whole. */
function openThoughts() {
  const open = new Map<string, { text: string; metadata: SharedV4ProviderMetadata | undefined }>()
  return {
    read(part: LanguageModelV4StreamPart): JsonObject | undefined {
      if (part.type !== 'reasoning-start' && part.type !== 'reasoning-delta' && part.type !== 'reasoning-end') {
        return undefined
      }
      const { text = '', metadata } = open.get(part.id) ?? {}
      const thought = {
        text: part.type === 'reasoning-delta' ? text + part.delta : text,
        metadata: part.providerMetadata ?? metadata,
      }
      open.set(part.id, thought)
      if (part.type !== 'reasoning-end') return undefined
      open.delete(part.id)
      const block = toThinkingBlock(thought.text, thought.metadata)
      return block === undefined ? undefined : { thinking_blocks: [block] }
    },
  }
}
