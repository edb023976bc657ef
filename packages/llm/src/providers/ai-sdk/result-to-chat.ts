import type {
  LanguageModelV4Content,
  LanguageModelV4File,
  LanguageModelV4FinishReason,
  LanguageModelV4GenerateResult,
  LanguageModelV4Usage,
  SharedV4ProviderMetadata,
} from '@ai-sdk/provider'
import type { JsonObject } from '@toolgate/core'
import type { ChunkHead } from '../chat-events.ts'
import { signatureOf, toThinkingBlock } from './signatures.ts'

/** An AI SDK result as a chat completion. Reasoning is shown as `reasoning_content`, as LiteLLM does. */
export function toChatCompletion(result: LanguageModelV4GenerateResult, head: ChunkHead): JsonObject {
  const { content, finishReason, usage } = result
  const text = joined(content, 'text')
  const reasoning = joined(content, 'reasoning')
  const thoughts = content.flatMap((part) =>
    part.type === 'reasoning' ? (toThinkingBlock(part.text, part.providerMetadata) ?? []) : [],
  )
  const images = content.flatMap((part) => (part.type === 'file' ? toImage(part) : []))
  const calls = content.flatMap((part) => (part.type === 'tool-call' && !part.providerExecuted ? [toCall(part)] : []))
  return {
    id: head.id,
    object: 'chat.completion',
    created: head.created,
    model: head.model,
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: text === '' ? null : text,
          ...(reasoning !== '' && { reasoning_content: reasoning }),
          ...(thoughts.length > 0 && { thinking_blocks: thoughts }),
          ...(images.length > 0 && { images }),
          ...(calls.length > 0 && { tool_calls: calls }),
        },
        finish_reason: toFinishReason(finishReason),
      },
    ],
    usage: toChatUsage(usage),
  }
}

function joined(content: readonly LanguageModelV4Content[], type: 'text' | 'reasoning'): string {
  return content.map((part) => (part.type === type && 'text' in part ? part.text : '')).join('')
}

interface Called {
  readonly toolCallId: string
  readonly toolName: string
  readonly input: string
  readonly providerMetadata?: SharedV4ProviderMetadata | undefined
}

export function toCall({ toolCallId, toolName, input, providerMetadata }: Called): JsonObject {
  const signature = signatureOf(providerMetadata)
  return {
    id: toolCallId,
    type: 'function',
    function: { name: toolName, arguments: input === '' ? '{}' : input },
    ...(signature !== undefined && { provider_specific_fields: { thought_signature: signature } }),
  }
}

/** A picture that the model made, as LiteLLM and OpenRouter show it. */
export function toImage({ mediaType, data }: LanguageModelV4File): JsonObject[] {
  if (data.type === 'url') return [{ type: 'image_url', image_url: { url: data.url.href } }]
  const base64 = typeof data.data === 'string' ? data.data : Buffer.from(data.data).toString('base64')
  return [{ type: 'image_url', image_url: { url: `data:${mediaType};base64,${base64}` } }]
}

const finishReasons = {
  stop: 'stop',
  length: 'length',
  'content-filter': 'content_filter',
  'tool-calls': 'tool_calls',
  error: 'stop',
  interrupted: 'stop',
  other: 'stop',
} as const satisfies Record<LanguageModelV4FinishReason['unified'], string>

export function toFinishReason({ unified }: LanguageModelV4FinishReason): string {
  return finishReasons[unified]
}

export function toChatUsage({ inputTokens, outputTokens }: LanguageModelV4Usage): JsonObject {
  const promptTokens = inputTokens.total ?? 0
  const completionTokens = outputTokens.total ?? 0
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: inputTokens.cacheRead ?? 0 },
    ...(outputTokens.reasoning !== undefined && {
      completion_tokens_details: { reasoning_tokens: outputTokens.reasoning },
    }),
  }
}
