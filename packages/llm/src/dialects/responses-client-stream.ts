import {
  type Clock,
  GatewayError,
  isJsonObject,
  type JsonObject,
  type NewId,
  parseJsonObject,
  type ServerOutcome,
} from '@toolgate/core'
import { listOf, textOf } from '../json-fields.ts'
import type { LoopTool } from '../loop-tool.ts'
import { readServerEvents } from '../sse.ts'
import type { ToolEvent } from '../tool-execution.ts'
import type { LoopAnswer, LoopRound, RoundContext } from '../tool-loop.ts'
import { providerStreamError } from './chat-chunks.ts'
import type { ClientStream, RenderError, Send } from './client-stream.ts'
import { beginResponse, numberedEvents } from './response-events.ts'
import { type CallIds, uniqueCallIds } from './response-call-ids.ts'
import { answersAsJson } from './responses.ts'
import { beginCall, calledName, finishedCall, toListItems } from './responses-items.ts'

export interface ResponsesClientStreamOptions {
  /** The client's request. */
  readonly body: JsonObject
  readonly tools: readonly LoopTool[]
  /** Of the servers that were asked for them. */
  readonly outcomes: readonly ServerOutcome[]
  readonly send: Send
  readonly renderError: RenderError
  readonly clock: Clock
  readonly newId: NewId
  /** Gets the response as the client got it. */
  readonly onResponse: (response: JsonObject) => Promise<void>
}

const terminal = new Set(['response.completed', 'response.incomplete', 'response.failed'])
const onceOnly = new Set(['response.created', 'response.in_progress', 'response.queued'])

/**
 * One response for the whole loop: created once, completed once, items numbered through. Items of the provider pass as they
 * come; calls of gateway tools become `mcp_call` items.
 */
export function openResponsesClientStream(options: ResponsesClientStreamOptions): ClientStream {
  return new ResponsesClientStream(options)
}

class ResponsesClientStream implements ClientStream {
  readonly #options: ResponsesClientStreamOptions
  readonly #head: { readonly id: string; readonly createdAt: number; readonly model: string }
  readonly #event = numberedEvents()
  readonly #items = outputItems()
  readonly #running = new Map<string, { readonly index: number; readonly item: JsonObject }>()
  readonly #ours: ReadonlySet<string>
  readonly #oneDocument: boolean
  #begun = false
  /** Messages that are not passed on before their turn is known to be the last one. */
  #held: [type: string, fields: JsonObject][] = []

  constructor(options: ResponsesClientStreamOptions) {
    const { body, tools, clock, newId } = options
    this.#options = options
    this.#head = { id: newId('resp'), createdAt: Math.floor(clock.now() / 1_000), model: textOf(body['model']) }
    this.#ours = new Set(tools.map(({ functionName }) => functionName))
    this.#oneDocument = answersAsJson(body)
  }

  async readRound(bytes: AsyncIterable<Uint8Array>, { isHandedBack }: RoundContext): Promise<JsonObject> {
    const round = newRound(isHandedBack)
    const callIds = uniqueCallIds(this.#options.newId)
    const done: DoneItem[] = []
    this.#held = []
    for await (const { data } of readServerEvents(bytes)) {
      const fields = withCallId(readEvent(data), callIds)
      await this.#begin()
      if (fields === undefined) continue
      const type = textOf(fields['type'])
      const { response: whole, item, output_index: place } = fields
      if (fields['object'] === 'response') {
        return passWhole(callIds.ofAnswer(fields), (kind, given) => this.#pass(kind, given, round))
      }
      if (terminal.has(type) && isJsonObject(whole)) return completed(whole, done, callIds)
      if (type === 'response.output_item.done' && isJsonObject(item)) {
        done.push({ item, place: typeof place === 'number' ? place : done.length })
      }
      if (!onceOnly.has(type)) await this.#pass(type, fields, round)
    }
    throw new GatewayError('PROVIDER_PROTOCOL', 'The model stopped in the middle of its answer. Try again.')
  }

  async onRound({ final }: LoopRound): Promise<void> {
    const events = this.#held
    this.#held = []
    const round = newRound(() => false)
    if (final) for (const [type, fields] of events) await this.#place(type, fields, round)
  }

  async onTool(told: ToolEvent): Promise<void> {
    await this.#begin()
    if (told.type === 'started') return this.#callBegins(told)
    const begun = this.#running.get(told.call.id)
    if (told.type !== 'finished' || begun === undefined) return
    const item = finishedCall(begun.item, told)
    this.#items.replace(begun.index, item)
    const at = { item_id: item['id'] ?? '', output_index: begun.index }
    await this.#write(`response.mcp_call.${textOf(item['status'])}`, at)
    await this.#write('response.output_item.done', { output_index: begun.index, item })
  }

  async end({ response: answer }: LoopAnswer): Promise<void> {
    await this.#begin()
    for (const item of listOf(answer['output']).filter(isApproval)) {
      const index = this.#items.add(item)
      await this.#write('response.output_item.added', { output_index: index, item })
      await this.#write('response.output_item.done', { output_index: index, item })
    }
    const { id, createdAt, model } = this.#head
    const final = { ...answer, id, created_at: createdAt, model, output: this.#items.list }
    await this.#options.onResponse(final)
    const status = answer['status'] === 'incomplete' ? 'incomplete' : 'completed'
    await this.#write(`response.${status}`, { response: final })
  }

  async fail(error: GatewayError): Promise<void> {
    const told = this.#options.renderError(error)['error']
    const { message, code, param } = isJsonObject(told) ? told : {}
    await this.#write('error', { code: code ?? null, message: message ?? error.message, param: param ?? null })
  }

  async #begin(): Promise<void> {
    if (this.#begun) return
    this.#begun = true
    const { body, tools, outcomes, newId } = this.#options
    const response = beginResponse(body, this.#head)
    await this.#write('response.created', { response })
    await this.#write('response.in_progress', { response })
    for (const item of toListItems({ tools, outcomes }, newId)) {
      const at = { item_id: item['id'] ?? '', output_index: this.#items.add(item) }
      await this.#write('response.output_item.added', { output_index: at.output_index, item: { ...item, tools: [] } })
      await this.#write('response.mcp_list_tools.in_progress', at)
      await this.#write(`response.mcp_list_tools.${item['error'] === undefined ? 'completed' : 'failed'}`, at)
      await this.#write('response.output_item.done', { output_index: at.output_index, item })
    }
  }

  /** Passes one event of the provider on, unless it is about a call of the gateway's, or has to wait. */
  async #pass(type: string, fields: JsonObject, round: RoundItems): Promise<void> {
    const { item, output_index: theirs } = fields
    if (typeof theirs !== 'number') return this.#write(type, fields)
    if (isJsonObject(item) && this.#isKept(item, round)) return
    if (!this.#oneDocument || !(isMessage(item) || round.held.has(theirs))) return this.#place(type, fields, round)
    round.held.add(theirs)
    this.#held.push([type, fields])
  }

  /** Calls that are not the client's own: what the gateway does about them is said in its items, or to the model alone. */
  #isKept(item: JsonObject, { isHandedBack }: RoundItems): boolean {
    const name = calledName(item)
    return name !== undefined && (this.#ours.has(name) || !isHandedBack(name))
  }

  /** Writes one event of the provider with its place in the whole response. */
  async #place(type: string, fields: JsonObject, round: RoundItems): Promise<void> {
    const { item, output_index: theirs } = fields
    if (typeof theirs !== 'number') return
    if (isJsonObject(item) && !round.places.has(theirs)) round.places.set(theirs, this.#items.add(item))
    const place = round.places.get(theirs)
    if (place === undefined) return
    if (isJsonObject(item)) this.#items.replace(place, item)
    await this.#write(type, { ...fields, output_index: place })
  }

  async #callBegins({ call, tool }: ToolEvent): Promise<void> {
    const item = beginCall(call, tool, this.#options.newId)
    const index = this.#items.add(item)
    this.#running.set(call.id, { index, item })
    const { arguments: input = '' } = item
    const at = { item_id: item['id'] ?? '', output_index: index }
    await this.#write('response.output_item.added', { output_index: index, item: { ...item, arguments: '' } })
    await this.#write('response.mcp_call.in_progress', at)
    await this.#write('response.mcp_call_arguments.delta', { ...at, delta: input })
    await this.#write('response.mcp_call_arguments.done', { ...at, arguments: input })
  }

  #write(type: string, fields: JsonObject): Promise<void> {
    return this.#options.send(this.#event(type, fields))
  }
}

function withCallId(event: JsonObject | undefined, callIds: CallIds): JsonObject | undefined {
  const { item, output_index: place } = event ?? {}
  if (!isJsonObject(item) || typeof place !== 'number') return event
  return { ...event, item: callIds.ofEvent(item, place) }
}

function newRound(isHandedBack: RoundContext['isHandedBack']): RoundItems {
  return { isHandedBack, places: new Map(), held: new Set() }
}

interface RoundItems extends Pick<RoundContext, 'isHandedBack'> {
  /** The provider's index → ours. */
  readonly places: Map<number, number>
  readonly held: Set<number>
}

function outputItems() {
  const list: JsonObject[] = []
  return {
    list,
    add: (item: JsonObject) => list.push(item) - 1,
    replace(index: number, item: JsonObject) {
      list[index] = item
    },
  }
}

function isMessage(item: unknown): boolean {
  return isJsonObject(item) && item['type'] === 'message'
}

function isApproval(item: unknown): item is JsonObject {
  return isJsonObject(item) && item['type'] === 'mcp_approval_request'
}

interface DoneItem {
  readonly item: JsonObject
  /** In the provider's output. */
  readonly place: number
}

/** Some servers end with a response that has nothing in it: then it is what was done, in the order of its places. */
function completed(whole: JsonObject, done: readonly DoneItem[], callIds: CallIds): JsonObject {
  if (listOf(whole['output']).length > 0) return callIds.ofAnswer(whole)
  const items = done.toSorted((one, other) => one.place - other.place)
  const places = items.map(({ place }) => place)
  return callIds.ofAnswer({ ...whole, output: items.map(({ item }) => item) }, places)
}

/** An answer that came whole although a stream was asked for. */
async function passWhole(
  whole: JsonObject,
  pass: (type: string, fields: JsonObject) => Promise<void>,
): Promise<JsonObject> {
  for (const [index, item] of listOf(whole['output']).entries()) {
    await pass('response.output_item.added', { output_index: index, item })
    await pass('response.output_item.done', { output_index: index, item })
  }
  return whole
}

function readEvent(data: string): JsonObject | undefined {
  // None: `[DONE]`, which some servers add.
  const fields = parseJsonObject(data)
  if (fields === undefined) return undefined
  if (fields['type'] === 'error') throw providerStreamError({ error: fields['error'] ?? fields })
  const failed = isJsonObject(fields['response']) ? fields['response'] : {}
  if (fields['type'] === 'response.failed') throw providerStreamError({ error: failed['error'] ?? 'no reason' })
  const { error } = fields
  if (fields['type'] === undefined && error !== undefined && error !== null) throw providerStreamError(fields)
  return fields
}
