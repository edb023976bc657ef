import { isJsonObject, type JsonObject, type NewId } from '@toolgate/core'
import { assembleChat, type AssembledCall } from '../dialects/chat-assembly.ts'
import { readChatChunks } from '../dialects/chat-chunks.ts'
import {
  finishedAs,
  type NameCall,
  numberedEvents,
  toCallItem,
  toMessageItem,
  toReasoningItem,
  toResponseUsage,
  toTextPart,
  type WriteEvent,
} from '../dialects/response-events.ts'
import { listOf, textOf } from '../json-fields.ts'

export interface CrossedStream {
  /** The response as it begins. */
  readonly response: JsonObject
  readonly nameCall: NameCall
  readonly newId: NewId
}

/** A chat completion stream as OpenAI's Responses stream: items in the order in which they begin. */
export async function* toResponseEvents(
  bytes: AsyncIterable<Uint8Array>,
  stream: CrossedStream,
): AsyncGenerator<Uint8Array> {
  const { response } = stream
  const event = numberedEvents()
  const items = new ItemWriter(event, stream)
  const assembly = assembleChat()
  yield event('response.created', { response })
  yield event('response.in_progress', { response })
  for await (const chunk of readChatChunks(bytes)) {
    const calls = assembly.add(chunk)
    const { content, reasoning_content: thought, reasoning } = deltaOf(chunk)
    yield* items.write('reasoning', textOf(thought) || textOf(reasoning))
    yield* items.write('message', textOf(content))
    for (const call of calls) yield* items.call(call)
  }
  const whole = assembly.response()
  yield* items.end(listOf(messageOf(whole)['tool_calls']).filter(isJsonObject))
  const [choice] = listOf(whole['choices'])
  const ended = finishedAs(isJsonObject(choice) ? choice['finish_reason'] : undefined)
  yield event(`response.${textOf(ended['status'])}`, {
    response: { ...response, ...ended, output: items.output, usage: toResponseUsage(whole['usage']) },
  })
}

function deltaOf(chunk: JsonObject): JsonObject {
  const [choice] = listOf(chunk['choices'])
  return isJsonObject(choice) && isJsonObject(choice['delta']) ? choice['delta'] : {}
}

function messageOf(completion: JsonObject): JsonObject {
  const [choice] = listOf(completion['choices'])
  return isJsonObject(choice) && isJsonObject(choice['message']) ? choice['message'] : {}
}

interface OpenText {
  readonly kind: 'message' | 'reasoning'
  readonly id: string
  readonly index: number
  text: string
}

/** Writes the items of one response; the text that is open is closed before anything else begins. */
class ItemWriter {
  readonly output: JsonObject[] = []
  readonly #calls = new Map<number, Begun>()
  readonly #event: WriteEvent
  readonly #stream: CrossedStream
  #open: OpenText | undefined

  constructor(event: WriteEvent, stream: CrossedStream) {
    this.#event = event
    this.#stream = stream
  }

  *write(kind: OpenText['kind'], text: string): Generator<Uint8Array> {
    if (text === '') return
    if (this.#open?.kind !== kind) yield* this.#begin(kind)
    if (this.#open === undefined) return
    this.#open.text += text
    yield this.#event(...textEvent(this.#open, 'delta', text))
  }

  /** Arguments in pieces; a custom tool's input is written when it is whole. */
  *call(call: AssembledCall): Generator<Uint8Array> {
    const known = this.#calls.get(call.position)
    if (known !== undefined) {
      const piece = isJsonObject(call.delta['function']) ? textOf(call.delta['function']['arguments']) : ''
      if (piece !== '') yield this.#argumentsDelta(known, piece)
      return
    }
    const { nameCall, newId } = this.#stream
    if (!isStreamable(call, nameCall)) return
    yield* this.#close()
    const begun = { id: newId('fc'), index: this.output.length }
    this.#calls.set(call.position, begun)
    const item = { ...toCallItem(call.raw, nameCall, newId), id: begun.id, status: 'in_progress', arguments: '' }
    this.output.push(item)
    yield this.#event('response.output_item.added', { output_index: begun.index, item })
    const sent = isJsonObject(call.raw['function']) ? textOf(call.raw['function']['arguments']) : ''
    if (sent !== '') yield this.#argumentsDelta(begun, sent)
  }

  /** Closes everything, with the calls as they came out. */
  *end(whole: readonly JsonObject[]): Generator<Uint8Array> {
    yield* this.#close()
    for (const [position, raw] of whole.entries()) yield* this.#finishCall(raw, position)
  }

  *#begin(kind: OpenText['kind']): Generator<Uint8Array> {
    yield* this.#close()
    const id = this.#stream.newId(kind === 'message' ? 'msg' : 'rs')
    this.#open = { kind, id, index: this.output.length, text: '' }
    const empty = kind === 'message' ? { role: 'assistant', content: [] } : { summary: [] }
    const item = { id, type: kind, status: 'in_progress', ...empty }
    this.output.push(item)
    yield this.#event('response.output_item.added', { output_index: this.#open.index, item })
    yield this.#event(...partEvent(this.#open, 'added'))
  }

  *#close(): Generator<Uint8Array> {
    if (this.#open === undefined) return
    const { kind, id, index, text } = this.#open
    yield this.#event(...textEvent(this.#open, 'done', text))
    yield this.#event(...partEvent(this.#open, 'done'))
    const item = kind === 'message' ? toMessageItem(id, text) : toReasoningItem(id, text)
    this.output[index] = item
    this.#open = undefined
    yield this.#event('response.output_item.done', { output_index: index, item })
  }

  *#finishCall(raw: JsonObject, position: number): Generator<Uint8Array> {
    const made = toCallItem(raw, this.#stream.nameCall, this.#stream.newId)
    const begun = this.#calls.get(position)
    const index = begun?.index ?? this.output.length
    const item = { ...made, id: begun?.id ?? textOf(made['id']) }
    this.output[index] = item
    const about = { item_id: item.id, output_index: index }
    const custom = made['type'] === 'custom_tool_call'
    const input = textOf(custom ? made['input'] : made['arguments'])
    const prefix = custom ? 'response.custom_tool_call_input' : 'response.function_call_arguments'
    if (begun === undefined) {
      const empty = { ...item, status: 'in_progress', ...(custom ? { input: '' } : { arguments: '' }) }
      yield this.#event('response.output_item.added', { output_index: index, item: empty })
      yield this.#event(`${prefix}.delta`, { ...about, delta: input })
    }
    const whole = custom ? { input } : { arguments: input, name: made['name'] ?? '' }
    yield this.#event(`${prefix}.done`, { ...about, ...whole })
    yield this.#event('response.output_item.done', { output_index: index, item })
  }

  #argumentsDelta({ id, index }: Begun, delta: string): Uint8Array {
    return this.#event('response.function_call_arguments.delta', { item_id: id, output_index: index, delta })
  }
}

interface Begun {
  readonly id: string
  readonly index: number
}

function isStreamable({ name, raw }: AssembledCall, nameCall: NameCall): boolean {
  const sent = isJsonObject(raw['function']) ? raw['function']['arguments'] : undefined
  return name !== '' && typeof raw['id'] === 'string' && !isJsonObject(sent) && nameCall(name).custom !== true
}

function textEvent({ kind, id, index }: OpenText, step: 'delta' | 'done', text: string): [string, JsonObject] {
  const about = { item_id: id, output_index: index }
  const said = step === 'delta' ? { delta: text } : { text }
  return kind === 'message'
    ? [`response.output_text.${step}`, { ...about, content_index: 0, ...said, logprobs: [] }]
    : [`response.reasoning_summary_text.${step}`, { ...about, summary_index: 0, ...said }]
}

function partEvent({ kind, id, index, text }: OpenText, step: 'added' | 'done'): [string, JsonObject] {
  const about = { item_id: id, output_index: index }
  return kind === 'message'
    ? [`response.content_part.${step}`, { ...about, content_index: 0, part: toTextPart(text) }]
    : [`response.reasoning_summary_part.${step}`, { ...about, summary_index: 0, part: { type: 'summary_text', text } }]
}
