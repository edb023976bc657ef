import { type GatewayError, isJsonObject, type JsonObject, type NewId } from '@toolgate/core'
import { toMessageEvent } from '../crossing/messages-stream.ts'
import { textOf } from '../json-fields.ts'
import type { LoopAnswer, LoopRound, RoundContext } from '../tool-loop.ts'
import type { ClientStream, RenderError, Send } from './client-stream.ts'
import { type AssembledBlock, assembleMessage, readMessageEvents } from './message-assembly.ts'
import { answersAsDocument } from './messages.ts'

export interface MessagesClientStreamOptions {
  /** The client's request. */
  readonly body: JsonObject
  readonly send: Send
  readonly renderError: RenderError
  readonly newId: NewId
}

/**
 * One message stream: one start, the blocks of every round under one count as they come, one end. Blocks that call gateway
 * tools are taken out; everything else passes as its provider wrote it.
 */
export function openMessagesClientStream(options: MessagesClientStreamOptions): ClientStream {
  return new MessagesClientStream(options)
}

class MessagesClientStream implements ClientStream {
  readonly handedIds = new Set<string>()
  readonly #options: MessagesClientStreamOptions
  readonly #oneDocument: boolean
  #started = false
  #blocks = 0
  /** Text that is not passed on before its round is known to be the last one, block by block. */
  #held: JsonObject[][] = []

  constructor(options: MessagesClientStreamOptions) {
    this.#options = options
    this.#oneDocument = answersAsDocument(options.body)
  }

  async readRound(bytes: AsyncIterable<Uint8Array>, { isHandedBack }: RoundContext): Promise<JsonObject> {
    const assembly = assembleMessage()
    const places = new Map<AssembledBlock, number>()
    this.#held = []
    for await (const event of readMessageEvents(bytes)) {
      const { type, message } = event
      if (type === 'message_start') await this.#start(isJsonObject(message) ? message : {})
      const block = assembly.add(event)
      if (block === undefined) {
        if (type === 'ping' && this.#started) await this.#write(event)
        continue
      }
      if (type === 'content_block_start') this.#begin(block, { places, isHandedBack })
      await this.#pass(block, event, places.get(block))
    }
    return assembly.response()
  }

  async onRound({ final }: LoopRound): Promise<void> {
    const texts = this.#held
    this.#held = []
    if (!final) return
    for (const events of texts) {
      for (const event of events) await this.#write({ ...event, index: this.#blocks })
      this.#blocks += 1
    }
  }

  async end({ response }: LoopAnswer): Promise<void> {
    const { stop_reason: reason, stop_sequence: sequence, usage, provider_specific_fields: report } = response
    await this.#start({ ...response, content: [], stop_reason: null })
    await this.#write({
      type: 'message_delta',
      delta: { stop_reason: reason ?? 'end_turn', stop_sequence: sequence ?? null },
      usage: usage ?? {},
      ...(report !== undefined && { provider_specific_fields: report }),
    })
    await this.#write({ type: 'message_stop' })
  }

  fail(error: GatewayError): Promise<void> {
    const { error: told } = this.#options.renderError(error)
    return this.#write({ type: 'error', error: isJsonObject(told) ? told : {} })
  }

  async #start(message: JsonObject): Promise<void> {
    if (this.#started) return
    this.#started = true
    const { model } = this.#options.body
    await this.#write({ type: 'message_start', message: { ...message, ...(model !== undefined && { model }) } })
  }

  /** Gives the block its place with the client, where it is for the client; a call also an id of ours. */
  #begin(block: AssembledBlock, { places, isHandedBack }: Placing): void {
    const { type, name } = block.raw
    if (this.#isHeld(block)) {
      this.#held.push([])
      return
    }
    if (type === 'tool_use' && !isHandedBack(textOf(name))) return
    places.set(block, this.#blocks)
    this.#blocks += 1
    if (type !== 'tool_use') return
    const id = this.#options.newId('toolu')
    this.handedIds.add(id)
    block.rename(id)
  }

  async #pass(block: AssembledBlock, event: JsonObject, place: number | undefined): Promise<void> {
    if (this.#isHeld(block)) this.#held.at(-1)?.push(event)
    if (place !== undefined) await this.#write({ ...withId(event, block), index: place })
  }

  #isHeld({ raw }: AssembledBlock): boolean {
    return this.#oneDocument && raw['type'] === 'text'
  }

  #write(event: JsonObject): Promise<void> {
    return this.#options.send(toMessageEvent(textOf(event['type']), event))
  }
}

interface Placing {
  readonly places: Map<AssembledBlock, number>
  readonly isHandedBack: RoundContext['isHandedBack']
}

function withId(event: JsonObject, { id }: AssembledBlock): JsonObject {
  const { content_block: begun } = event
  return id === undefined || !isJsonObject(begun) ? event : { ...event, content_block: { ...begun, id } }
}
