import { type Clock, isJsonObject, type JsonObject, type JsonValue, type NewId } from '@toolgate/core'
import { listOf, textOf } from '../json-fields.ts'
import { type ChunkHead, doneEvent, toChunk, toEvent, toUsageChunk, wantsUsage } from '../providers/chat-events.ts'
import type { LoopAnswer, RoundContext } from '../tool-loop.ts'
import { assembleChat, type AssembledCall } from './chat-assembly.ts'
import { readChatChunks } from './chat-chunks.ts'
import { answersInOneDocument } from './chat-request.ts'
import { toToolProgress, wantsToolProgress } from './chat-tool-progress.ts'
import type { ClientStream, RenderError, Send } from './client-stream.ts'

export interface ChatClientStreamOptions {
  /** The client's request: its `model`, `stream_options` and `response_format` are answered. */
  readonly body: JsonObject
  readonly send: Send
  readonly renderError: RenderError
  readonly clock: Clock
  readonly newId: NewId
}

/** What the provider says of a chunk that is ours to say, or is said once at the end. */
const ours = new Set(['id', 'object', 'created', 'model', 'choices', 'usage'])

/**
 * One chat completion stream: one id, one role, text and every field we do not know as they come, calls of the client's
 * functions as they come, one finish. Calls of gateway tools are taken out.
 */
export function openChatClientStream({ body, send, renderError, clock, newId }: ChatClientStreamOptions): ClientStream {
  const head = { id: newId('chatcmpl'), created: Math.floor(clock.now() / 1_000), model: textOf(body['model']) }
  const oneDocument = answersInOneDocument(body)
  const write = beginning(head, send)
  const say = (delta: JsonObject) => write(toChunk(head, delta))
  const handing = handCalls(newId)
  let hasText = false
  /** Text that is not passed on before its turn is known to be the last one. */
  let held: JsonObject[] = []

  const writeIfAny = async (chunk: JsonObject) => {
    if (isWorthSending(chunk)) await write(chunk)
  }

  return {
    handedIds: handing.ids,
    async readRound(bytes, { isHandedBack }) {
      const assembly = assembleChat()
      const continueCall = handing.round(isHandedBack)
      let separated = !hasText
      held = []
      for await (const chunk of readChatChunks(bytes)) {
        const { pass, hold } = toClient(chunk, head)
        const called = assembly.add(chunk).flatMap(continueCall)
        const text = textOf(deltaOf(pass)['content'])
        if (oneDocument && hold) held.push(pass)
        else await writeIfAny(text === '' || separated ? pass : withSeparator(pass, text))
        if (text !== '') hasText = separated = true
        if (called.length > 0) await say({ tool_calls: called })
      }
      return assembly.response()
    },
    async onRound({ final }) {
      const chunks = held
      held = []
      if (final) for (const chunk of chunks) await writeIfAny(chunk)
    },
    ...(wantsToolProgress(body) && {
      onTool: (event) => write({ ...toChunk(head, {}), choices: [], mcp_progress: toToolProgress(event) }),
    }),
    async end({ response }: LoopAnswer) {
      const choice = listOf(response['choices']).find(isJsonObject) ?? {}
      const left = unsent(isJsonObject(choice['message']) ? choice['message'] : {}, handing.ids)
      if (Object.keys(left).length > 0) await say(left)
      const { finish_reason: reason } = choice
      await write(toChunk(head, {}, typeof reason === 'string' ? reason : 'stop'))
      const { usage } = response
      if (wantsUsage(body) && isJsonObject(usage)) await send(toEvent(toUsageChunk(head, usage)))
      await send(doneEvent())
    },
    fail: (error) => send(toEvent(renderError(error))),
  }
}

/** Writes chunks, the one with the role before the first of them. */
function beginning(head: ChunkHead, send: Send) {
  let begun = false
  return async (chunk: JsonObject): Promise<void> => {
    if (!begun) {
      begun = true
      await send(toEvent(toChunk(head, { role: 'assistant', content: '' })))
    }
    await send(toEvent(chunk))
  }
}

/** Hands calls over in pieces: from the moment that a call's name is known to be one of the client's. */
function handCalls(newId: NewId) {
  const ids = new Set<string>()
  return {
    ids,
    round(isHandedBack: RoundContext['isHandedBack']) {
      const indices = new Map<number, number>()
      return (call: AssembledCall): JsonObject[] => {
        const known = indices.get(call.position)
        if (known !== undefined) return [{ index: known, ...withoutId(call.delta) }]
        if (!isHandedBack(call.name) || !isStreamable(call.raw)) return []
        const id = newId('call')
        const index = ids.size
        indices.set(call.position, index)
        call.rename(id)
        ids.add(id)
        return [{ index, ...call.raw, id }]
      }
    },
  }
}

/** A chunk as the client gets it: without calls, role and finish, and under the one id. */
function toClient(chunk: JsonObject, head: ChunkHead) {
  const unknown = Object.entries(chunk).filter(([field]) => !ours.has(field))
  const { delta, finish_reason: _reason, ...choice } = listOf(chunk['choices']).find(isJsonObject) ?? {}
  const { role: _role, tool_calls: _calls, function_call: _legacy, ...said } = isJsonObject(delta) ? delta : {}
  const pass: JsonObject = {
    ...Object.fromEntries(unknown),
    ...toChunk(head, {}),
    choices: [{ ...choice, index: 0, delta: withoutEmptyText(said), finish_reason: null }],
  }
  return { pass, hold: typeof said['content'] === 'string' }
}

/** The first chunk has said it. */
function withoutEmptyText({ content, ...said }: JsonObject): JsonObject {
  return content === undefined || content === null || content === '' ? said : { content, ...said }
}

function deltaOf(chunk: JsonObject): JsonObject {
  const [choice] = listOf(chunk['choices'])
  return isJsonObject(choice) && isJsonObject(choice['delta']) ? choice['delta'] : {}
}

/** Turns are paragraphs of one answer. */
function withSeparator(chunk: JsonObject, text: string): JsonObject {
  const [choice] = listOf(chunk['choices'])
  const delta = { ...deltaOf(chunk), content: `\n\n${text}` }
  return { ...chunk, choices: [{ ...(isJsonObject(choice) && choice), delta }] }
}

function isWorthSending(chunk: JsonObject): boolean {
  const [choice] = listOf(chunk['choices'])
  const logprobs: JsonValue = isJsonObject(choice) ? (choice['logprobs'] ?? null) : null
  return Object.values(deltaOf(chunk)).some((value) => value !== null) || logprobs !== null
}

function withoutId({ id: _id, type: _type, ...piece }: JsonObject): JsonObject {
  return piece
}

/** A provider that sends arguments as an object sends them whole: such a call is written by the end of the stream. */
function isStreamable({ function: called, custom }: JsonObject): boolean {
  if (isJsonObject(custom)) return true
  return isJsonObject(called) && !isJsonObject(called['arguments'])
}

/** Of the whole answer, what no round has streamed: calls written otherwise than in pieces, and the report. */
function unsent(
  { tool_calls: calls, function_call: legacy, provider_specific_fields: fields }: JsonObject,
  handedIds: ReadonlySet<string>,
): JsonObject {
  const left = listOf(calls).filter(
    (call): call is JsonObject => isJsonObject(call) && !handedIds.has(textOf(call['id'])),
  )
  return {
    ...(left.length > 0 && { tool_calls: left.map((call, offset) => ({ index: handedIds.size + offset, ...call })) }),
    ...(legacy !== undefined && { function_call: legacy }),
    ...(isJsonObject(fields) && { provider_specific_fields: fields }),
  }
}
