import { GatewayError, isJsonObject, type JsonObject, parseJsonObject } from '@toolgate/core'
import { textOf } from '../json-fields.ts'
import { readServerEvents } from '../sse.ts'
import { providerStreamError } from './chat-chunks.ts'
import { mergeDelta } from './merge-delta.ts'

/** One block of a message as far as it has come. */
export interface AssembledBlock {
  readonly raw: JsonObject
  /** In place of the provider's. */
  readonly id: string | undefined
  rename(id: string): void
}

export interface MessageAssembly {
  /** The block that the event begins, continues or ends; undefined where it is about none. */
  add(event: JsonObject): AssembledBlock | undefined
  /** What the provider would have answered without streaming. */
  response(): JsonObject
}

interface GrowingBlock extends AssembledBlock {
  raw: JsonObject
  id: string | undefined
  /** Input that a model writes in pieces of JSON. */
  input: string
}

/** One message of Anthropic's put together from the events of its stream. */
export function assembleMessage(): MessageAssembly {
  let head: JsonObject = {}
  const blocks: GrowingBlock[] = []
  const open = new Map<unknown, GrowingBlock>()

  return {
    add(event) {
      const { type, index, message, delta, usage } = event
      if (type === 'message_start' && isJsonObject(message)) head = { ...message }
      if (type === 'message_delta') {
        head = { ...head, ...(isJsonObject(delta) && delta) }
        if (isJsonObject(usage)) head['usage'] = { ...(isJsonObject(head['usage']) && head['usage']), ...usage }
      }
      if (type === 'content_block_start') {
        const block = beginBlock(event)
        blocks.push(block)
        open.set(index, block)
      }
      const block = open.get(index)
      if (type === 'content_block_delta' && isJsonObject(delta)) addDelta(block, delta)
      return textOf(type).startsWith('content_block_') ? block : undefined
    },
    response() {
      return { type: 'message', role: 'assistant', ...head, content: blocks.map(finishedBlock) }
    },
  }
}

function beginBlock({ content_block: begun }: JsonObject): GrowingBlock {
  const block: GrowingBlock = {
    raw: isJsonObject(begun) ? begun : {},
    id: undefined,
    input: '',
    rename: (id) => void (block.id = id),
  }
  return block
}

function addDelta(block: GrowingBlock | undefined, { type, ...piece }: JsonObject): void {
  if (block === undefined) return
  if (type === 'input_json_delta') block.input += textOf(piece['partial_json'])
  else if (type === 'citations_delta') block.raw = mergeDelta(block.raw, { citations: [piece['citation'] ?? null] })
  else block.raw = mergeDelta(block.raw, piece)
}

function finishedBlock({ raw, id, input }: GrowingBlock): JsonObject {
  const named = id === undefined ? raw : { ...raw, id }
  return input === '' ? named : { ...named, input: parseJsonObject(input) ?? input }
}

/**
 * The events of Anthropic's stream. A whole message in place of a stream is told as the events that it stands for; an error
 * event is thrown, and a stream that stops before its end is an error and no answer.
 */
export async function* readMessageEvents(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<JsonObject> {
  for await (const { data } of readServerEvents(bytes)) {
    const event = parseJsonObject(data)
    if (event === undefined) {
      throw new GatewayError('PROVIDER_PROTOCOL', 'The model sent an event that cannot be read. Try again.')
    }
    if (event['type'] === 'error') throw providerStreamError(event)
    if (event['type'] === 'message') yield* toEvents(event)
    else yield event
    if (event['type'] === 'message_stop' || event['type'] === 'message') return
  }
  throw new GatewayError('PROVIDER_PROTOCOL', 'The model stopped in the middle of its answer. Try again.')
}

function* toEvents({ content, ...head }: JsonObject): Generator<JsonObject> {
  yield { type: 'message_start', message: { ...head, content: [], stop_reason: null } }
  for (const [index, block] of (Array.isArray(content) ? content : []).entries()) {
    yield { type: 'content_block_start', index, content_block: block }
    yield { type: 'content_block_stop', index }
  }
  yield { type: 'message_delta', delta: { stop_reason: head['stop_reason'] ?? null }, usage: head['usage'] ?? {} }
}
