import { isJsonObject, type JsonObject } from '@toolgate/core'
import { assembleChat, type AssembledCall } from '../dialects/chat-assembly.ts'
import { readChatChunks } from '../dialects/chat-chunks.ts'
import { listOf, textOf } from '../json-fields.ts'
import { toMessageUsage, toReport, toStopReason, toToolUse } from './messages-answer.ts'
import type { CrossedNames } from './crossed-names.ts'

const encoder = new TextEncoder()

export function toMessageEvent(type: string, fields: JsonObject): Uint8Array {
  return encoder.encode(`event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`)
}

/** A chat completion stream as Anthropic's: one block after the other, each closed before the next begins. */
export async function* toMessageEvents(
  bytes: AsyncIterable<Uint8Array>,
  { message, names }: { readonly message: JsonObject; readonly names: CrossedNames },
): AsyncGenerator<Uint8Array> {
  const assembly = assembleChat()
  const blocks = new BlockWriter(names)
  const usage = { input_tokens: 0, output_tokens: 0 }
  yield toMessageEvent('message_start', { message: { ...message, content: [], stop_reason: null, usage } })
  for await (const chunk of readChatChunks(bytes)) {
    const calls = assembly.add(chunk)
    const [choice] = listOf(chunk['choices'])
    const delta = isJsonObject(choice) && isJsonObject(choice['delta']) ? choice['delta'] : {}
    yield* blocks.write('thinking', textOf(delta['reasoning_content']) || textOf(delta['reasoning']))
    yield* blocks.write('text', textOf(delta['content']))
    for (const call of calls) yield* blocks.call(call)
  }
  const whole = assembly.response()
  const [choice] = listOf(whole['choices'])
  const { message: said, finish_reason: reason } = isJsonObject(choice) ? choice : {}
  const called = isJsonObject(said) ? listOf(said['tool_calls']).filter(isJsonObject) : []
  yield* blocks.end(called)
  yield toMessageEvent('message_delta', {
    delta: { stop_reason: toStopReason(reason, called.length > 0), stop_sequence: null },
    usage: toMessageUsage(whole['usage']),
    ...(isJsonObject(said) && toReport(said)),
  })
  yield toMessageEvent('message_stop', {})
}

class BlockWriter {
  readonly #names: CrossedNames
  #count = 0
  /** What is open: a kind of text, or the position of a call. */
  #open: 'thinking' | 'text' | number | undefined
  readonly #written = new Set<number>()

  constructor(names: CrossedNames) {
    this.#names = names
  }

  *write(kind: 'thinking' | 'text', text: string): Generator<Uint8Array> {
    if (text === '') return
    if (this.#open !== kind) {
      yield* this.#begin(
        kind,
        kind === 'text' ? { type: 'text', text: '' } : { type: 'thinking', thinking: '', signature: '' },
      )
    }
    yield this.#delta(kind === 'text' ? { type: 'text_delta', text } : { type: 'thinking_delta', thinking: text })
  }

  /** A call's input in pieces, as long as no other call has begun; what comes later is written whole at the end. */
  *call({ position, name, raw, delta }: AssembledCall): Generator<Uint8Array> {
    const sent = isJsonObject(raw['function']) ? raw['function']['arguments'] : undefined
    if (this.#open === position) {
      const piece = isJsonObject(delta['function']) ? textOf(delta['function']['arguments']) : ''
      if (piece !== '') yield this.#delta({ type: 'input_json_delta', partial_json: piece })
      return
    }
    if (typeof this.#open === 'number' || name === '' || typeof raw['id'] !== 'string' || isJsonObject(sent)) return
    yield* this.#begin(position, { ...toToolUse(raw, this.#names), input: {} })
    this.#written.add(position)
    if (textOf(sent) !== '') yield this.#delta({ type: 'input_json_delta', partial_json: textOf(sent) })
  }

  *end(calls: readonly JsonObject[]): Generator<Uint8Array> {
    for (const [position, raw] of calls.entries()) {
      if (this.#written.has(position)) continue
      const block = toToolUse(raw, this.#names)
      yield* this.#begin(position, { ...block, input: {} })
      yield this.#delta({ type: 'input_json_delta', partial_json: JSON.stringify(block['input']) })
    }
    yield* this.#close()
  }

  *#begin(kind: 'thinking' | 'text' | number, block: JsonObject): Generator<Uint8Array> {
    yield* this.#close()
    this.#open = kind
    yield toMessageEvent('content_block_start', { index: this.#count, content_block: block })
  }

  *#close(): Generator<Uint8Array> {
    if (this.#open === undefined) return
    this.#open = undefined
    yield toMessageEvent('content_block_stop', { index: this.#count })
    this.#count += 1
  }

  #delta(delta: JsonObject): Uint8Array {
    return toMessageEvent('content_block_delta', { index: this.#count, delta })
  }
}
