import { type GatewayError, isJsonObject, type JsonObject, type NewId } from '@toolgate/core'
import { listOf } from '../json-fields.ts'
import { toEvent } from '../providers/chat-events.ts'
import type { LoopAnswer, LoopRound, RoundContext } from '../tool-loop.ts'
import type { ClientStream, RenderError, Send } from './client-stream.ts'
import { assembleGemini, type GeminiAssembly, readGeminiPieces } from './gemini-assembly.ts'
import { isEmptyText } from './gemini-contents.ts'
import { answersAsDocument, calledIn, isSpoken, paragraph, withId } from './gemini.ts'

export interface GeminiClientStreamOptions {
  /** The client's request. */
  readonly body: JsonObject
  readonly send: Send
  readonly renderError: RenderError
  readonly newId: NewId
}

/**
 * One stream of Gemini's: the parts of every round as they come, under the identity of the first one, and one finish. Calls of gateway
 * tools are taken out; everything else passes as its provider wrote it.
 */
export function openGeminiClientStream(options: GeminiClientStreamOptions): ClientStream {
  return new GeminiClientStream(options)
}

/** Said once, at the end. */
const ofTheEnd: ReadonlySet<string> = new Set(['usageMetadata', 'candidates'])
const ofTheFinish: ReadonlySet<string> = new Set(['finishReason', 'finishMessage', 'content'])

class GeminiClientStream implements ClientStream {
  readonly handedIds = new Set<string>()
  readonly #options: GeminiClientStreamOptions
  readonly #oneDocument: boolean
  /** What every piece says of its response: the first one's. */
  #identity: JsonObject | undefined
  #hasText = false
  /** Text that is not passed on before its round is known to be the last one. */
  #held: JsonObject[] = []

  constructor(options: GeminiClientStreamOptions) {
    this.#options = options
    this.#oneDocument = answersAsDocument(options.body)
  }

  async readRound(bytes: AsyncIterable<Uint8Array>, { isHandedBack }: RoundContext): Promise<JsonObject> {
    const assembly = assembleGemini()
    const round = { assembly, isHandedBack, separated: !this.#hasText }
    this.#held = []
    for await (const piece of readGeminiPieces(bytes)) {
      assembly.add(piece)
      await this.#pass(piece, round)
    }
    return assembly.response()
  }

  async onRound({ final }: LoopRound): Promise<void> {
    const pieces = this.#held
    this.#held = []
    if (final) for (const piece of pieces) await this.#write(piece)
  }

  async end({ response }: LoopAnswer): Promise<void> {
    const [candidate] = listOf(response['candidates']).filter(isJsonObject)
    const finished = candidate && [{ ...candidate, content: { role: 'model', parts: [{ text: '' }] } }]
    await this.#write({ ...response, ...(finished && { candidates: finished }) })
  }

  fail(error: GatewayError): Promise<void> {
    return this.#options.send(toEvent(this.#options.renderError(error)))
  }

  /** Passes on what the client may see of a piece now. */
  async #pass(piece: JsonObject, round: Reading): Promise<void> {
    const [candidate] = listOf(piece['candidates']).filter(isJsonObject)
    const content = isJsonObject(candidate?.['content']) ? candidate['content'] : {}
    const parts = listOf(content['parts'])
      .filter(isJsonObject)
      .flatMap((part) => this.#toClient(part, round))
    const withParts = (some: JsonObject[]): JsonObject => ({
      candidates: [{ content: { ...content, parts: some }, ...without(candidate ?? {}, ofTheFinish) }],
      ...without(piece, ofTheEnd),
    })
    const held = this.#oneDocument ? parts.filter(isSpoken) : []
    if (held.length > 0) this.#held.push(withParts(held))
    const passed = parts.filter((part) => !held.includes(part))
    if (passed.length > 0) await this.#write(withParts(passed))
  }

  #toClient(part: JsonObject, round: Reading): JsonObject[] {
    const called = calledIn(part)
    if (called !== undefined) return round.isHandedBack(called) ? [this.#handed(part, round.assembly)] : []
    if (isEmptyText(part)) return []
    if (!isSpoken(part) || part['text'] === '') return [part]
    const between = round.separated || this.#oneDocument ? [] : [paragraph]
    this.#hasText = round.separated = true
    return [...between, part]
  }

  /** A call of the client's under an id of ours. */
  #handed(part: JsonObject, assembly: GeminiAssembly): JsonObject {
    const id = this.#options.newId('call')
    this.handedIds.add(id)
    assembly.rename(part, id)
    return withId(part, id)
  }

  #write(piece: JsonObject): Promise<void> {
    const { responseId } = piece
    const { model } = this.#options.body
    this.#identity ??= {
      ...(model !== undefined && { modelVersion: model }),
      ...(responseId !== undefined && { responseId }),
    }
    return this.#options.send(toEvent({ ...piece, ...this.#identity }))
  }
}

interface Reading {
  readonly assembly: GeminiAssembly
  readonly isHandedBack: RoundContext['isHandedBack']
  separated: boolean
}

function without(object: JsonObject, fields: ReadonlySet<string>): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([field]) => !fields.has(field)))
}
