import { GatewayError, isJsonObject, type JsonObject, type JsonValue, parseJsonObject } from '@toolgate/core'
import { listOf, textOf } from '../json-fields.ts'
import { readServerEvents } from '../sse.ts'
import { providerStreamError } from './chat-chunks.ts'
import { isPlainText } from './gemini-contents.ts'
import { withId } from './gemini.ts'

/** One answer of Gemini's put together from the pieces of its stream. */
export interface GeminiAssembly {
  add(piece: JsonObject): void
  /** Gives a call of a piece that was added another id. */
  rename(part: JsonObject, id: string): void
  /** What the provider would have answered without streaming. */
  response(): JsonObject
}

export function assembleGemini(): GeminiAssembly {
  let head: JsonObject = {}
  let candidate: JsonObject | undefined
  let content: JsonObject = {}
  const parts: JsonObject[] = []
  const ids = new Map<JsonObject, string>()

  return {
    add({ candidates, ...piece }) {
      head = { ...head, ...piece }
      const [first] = listOf(candidates).filter(isJsonObject)
      if (first === undefined) return
      const { content: said, ...rest } = first
      candidate = { ...candidate, ...rest }
      if (!isJsonObject(said)) return
      const { parts: added, ...others } = said
      content = { ...content, ...others }
      for (const part of listOf(added).filter(isJsonObject)) addPart(parts, part)
    },
    rename: (part, id) => void ids.set(part, id),
    response() {
      const whole = parts.map((part) => withId(part, ids.get(part)))
      return candidate === undefined
        ? head
        : { ...head, candidates: [{ ...candidate, content: { ...content, parts: whole } }] }
    },
  }
}

/** Pieces of one text become one part; a part with anything else in it, a signature for instance, stays by itself. */
function addPart(parts: JsonObject[], part: JsonObject): void {
  const last = parts.at(-1)
  if (last === undefined || !isPlainText(last) || !isPlainText(part) || last['thought'] !== part['thought']) {
    parts.push(part)
    return
  }
  parts[parts.length - 1] = { ...last, text: textOf(last['text']) + textOf(part['text']) }
}

/** The pieces of Gemini's stream. An error in it is thrown, and a stream that stops before its end is an error and no answer. */
export async function* readGeminiPieces(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<JsonObject> {
  let finished = false
  for await (const { data } of readServerEvents(bytes)) {
    const piece = parseJsonObject(data)
    if (piece === undefined) {
      throw new GatewayError('PROVIDER_PROTOCOL', 'The model sent an event that cannot be read. Try again.')
    }
    if (isJsonObject(piece['error'])) throw providerStreamError(piece)
    finished ||= piece['promptFeedback'] !== undefined || listOf(piece['candidates']).some(hasFinished)
    yield piece
  }
  if (finished) return
  throw new GatewayError('PROVIDER_PROTOCOL', 'The model stopped in the middle of its answer. Try again.')
}

function hasFinished(candidate: JsonValue): boolean {
  return isJsonObject(candidate) && candidate['finishReason'] !== undefined
}
