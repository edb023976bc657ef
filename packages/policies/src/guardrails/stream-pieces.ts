import { isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import { type FoundText, type Path, textsIn } from './texts.ts'

/** What one event of a stream says, in OpenAI's, Anthropic's and Google's dialects. */
export interface EventTexts {
  /** Continues a text. */
  readonly pieces: readonly Piece[]
  /** Whole texts: what came in pieces before, once more, or what never does. */
  readonly whole: readonly FoundText[]
  /** What was said until here is complete. */
  readonly ends: boolean
}

export interface Piece {
  /** Pieces of one channel are one text. */
  readonly channel: string
  readonly path: Path
  readonly text: string
  readonly structured: boolean
}

const nothing: EventTexts = { pieces: [], whole: [], ends: false }

export function readEvent(event: JsonObject): EventTexts {
  if (Array.isArray(event['choices'])) return readChatChunk(event['choices'])
  if (Array.isArray(event['candidates'])) return readGeminiChunk(event['candidates'])
  const { type } = event
  if (type === 'ping') return nothing
  // What nobody here knows is judged as it stands.
  if (typeof type !== 'string') return { pieces: [], whole: textsIn(event), ends: true }
  if (type === 'content_block_delta') return readAnthropicDelta(event)
  if (type.endsWith('.delta') && typeof event['delta'] === 'string')
    return readResponsesDelta(type, event, event['delta'])
  return { pieces: [], whole: textsIn(event), ends: true }
}

function readChatChunk(choices: readonly JsonValue[]): EventTexts {
  const pieces = choices.flatMap((choice, at) => {
    if (!isJsonObject(choice)) return []
    const channel = ['choice', choice['index'] ?? at]
    // Text completions have no delta: their text is the choice's.
    const spoken = isJsonObject(choice['delta'])
      ? textsIn(choice['delta'], ['choices', at, 'delta'])
      : textsIn(choice['text'], ['choices', at, 'text'])
    return spoken.map(({ path, text, structured }) => ({
      path,
      text,
      structured,
      channel: nameOf(...channel, ...channelOf(path, choice['delta'])),
    }))
  })
  const ends = choices.some((choice) => isJsonObject(choice) && typeof choice['finish_reason'] === 'string')
  return { pieces, whole: [], ends }
}

/** Of several calls in one delta it is their own number that counts, and not their place in the list. */
function channelOf(path: Path, delta: JsonValue | undefined): readonly JsonValue[] {
  const within = path.slice(3)
  const [field, at] = within
  const calls = isJsonObject(delta) && field === 'tool_calls' ? delta['tool_calls'] : undefined
  const call = Array.isArray(calls) && typeof at === 'number' ? calls[at] : undefined
  const number = isJsonObject(call) ? call['index'] : undefined
  return number === undefined ? within : ['tool_calls', number, ...within.slice(2)]
}

/** Texts come in pieces, calls whole. A part after another kind of part begins another text. */
function readGeminiChunk(candidates: readonly JsonValue[]): EventTexts {
  const said = candidates.flatMap((candidate, at) => textsIn(candidate, ['candidates', at]))
  const isPiece = ({ path }: FoundText) => path.at(-1) === 'text' && path.includes('parts')
  const pieces = said.filter(isPiece).map(({ path, text, structured }) => {
    const part = isThought(candidates, path) ? 'thought' : 'text'
    return { path, text, structured, channel: nameOf('candidate', path[1], part) }
  })
  const whole = said.filter((found) => !isPiece(found))
  const ends = candidates.some((candidate) => isJsonObject(candidate) && typeof candidate['finishReason'] === 'string')
  return { pieces, whole, ends: ends || whole.length > 0 }
}

function isThought(candidates: readonly JsonValue[], path: Path): boolean {
  const [, at, , , part] = path
  const candidate = typeof at === 'number' ? candidates[at] : undefined
  const content = isJsonObject(candidate) ? candidate['content'] : undefined
  const parts = isJsonObject(content) ? content['parts'] : undefined
  const said = Array.isArray(parts) && typeof part === 'number' ? parts[part] : undefined
  return isJsonObject(said) && said['thought'] === true
}

function readAnthropicDelta({ index, delta }: JsonObject): EventTexts {
  const pieces = textsIn(delta, ['delta']).map(({ path, text, structured }) => ({
    path,
    text,
    structured,
    channel: nameOf('block', index, ...path),
  }))
  return { pieces, whole: [], ends: false }
}

function readResponsesDelta(type: string, event: JsonObject, text: string): EventTexts {
  const { item_id, output_index, content_index, summary_index } = event
  const channel = nameOf(type, item_id, output_index, content_index, summary_index)
  const structured = type.includes('arguments')
  return { pieces: [{ channel, path: ['delta'], text, structured }], whole: [], ends: false }
}

function nameOf(...parts: (JsonValue | undefined)[]): string {
  return JSON.stringify(parts)
}
