import { isJsonObject, type JsonObject } from '@toolgate/core'

/** Server-sent events of OpenAI's chat stream, as bytes. */

const encoder = new TextEncoder()

export function toEvent(data: JsonObject): Uint8Array {
  return encoder.encode(`data: ${JSON.stringify(data)}\n\n`)
}

/** How OpenAI ends a stream. */
export function doneEvent(): Uint8Array {
  return encoder.encode('data: [DONE]\n\n')
}

/** A comment: keeps idle connections open and is invisible to every SSE parser. */
export function keepAliveEvent(): Uint8Array {
  return encoder.encode(': keep-alive\n\n')
}

export interface ChunkHead {
  readonly id: string
  /** Seconds since the epoch. */
  readonly created: number
  readonly model: string
}

export function toChunk(
  { id, created, model }: ChunkHead,
  delta: JsonObject,
  finishReason: string | null = null,
): JsonObject {
  return {
    id,
    object: 'chat.completion.chunk',
    created,
    model,
    choices: [{ index: 0, delta, finish_reason: finishReason }],
  }
}

/** The last chunk before the end, where the client asked for it (`stream_options.include_usage`): no choices, only usage. */
export function toUsageChunk({ id, created, model }: ChunkHead, usage: JsonObject): JsonObject {
  return { id, object: 'chat.completion.chunk', created, model, choices: [], usage }
}

/** The client asked for a {@link toUsageChunk}. */
export function wantsUsage({ stream_options: options }: JsonObject): boolean {
  return isJsonObject(options) && options['include_usage'] === true
}

/** `include_mcp_progress` is the gateway's own: a provider may refuse what it does not know. */
export function withoutProgressOption(body: JsonObject): JsonObject {
  const { stream_options: options, ...rest } = body
  if (!isJsonObject(options) || !('include_mcp_progress' in options)) return body
  const { include_mcp_progress: _ours, ...asked } = options
  return Object.keys(asked).length === 0 ? rest : { ...rest, stream_options: asked }
}
