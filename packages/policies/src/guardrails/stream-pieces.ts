import { isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import { type FoundText, jsonTextFields, type Path, stringsIn, textsIn } from './texts.ts'

/** What one event of a stream says, in OpenAI's, Anthropic's and Google's dialects. */
export interface EventTexts {
  /** Continues a text. */
  readonly pieces: readonly Piece[]
  /** Whole texts: what came in pieces before, once more, or what never does. */
  readonly whole: readonly FoundText[]
  /** Groups of which everything was said. */
  readonly ends: readonly string[] | 'all'
}

export interface Piece {
  /** Pieces of one channel are one text. */
  readonly channel: string
  readonly path: Path
  readonly text: string
  readonly structured: boolean
  /** Of a JSON text, which can be read when all of it is there. */
  readonly json: boolean
  /** The choice, block or item that it belongs to. */
  readonly group: string
}

const nothing: EventTexts = { pieces: [], whole: [], ends: [] }

export function readEvent(event: JsonObject): EventTexts {
  if (Array.isArray(event['choices'])) return readChatChunk(event)
  if (Array.isArray(event['candidates'])) return readGeminiChunk(event['candidates'])
  const { type } = event
  if (type === 'ping') return nothing
  // What nobody here knows is judged as it stands.
  if (typeof type !== 'string') return { pieces: [], whole: textsIn(event), ends: [] }
  if (type === 'content_block_delta') return readAnthropicDelta(event)
  if (type === 'content_block_start') return readAnthropicStart(event)
  if (type.endsWith('.delta') && typeof event['delta'] === 'string')
    return readResponsesDelta(type, event, event['delta'])
  return { pieces: [], whole: textsIn(event), ends: endsOf(type, event) }
}

const lastEvents: ReadonlySet<string> = new Set(
  'message_delta message_stop error response.completed response.failed response.incomplete'.split(' '),
)

/** Anything else may stand in the middle of a text, as what is told of a passage of it. */
function endsOf(type: string, event: JsonObject): EventTexts['ends'] {
  if (lastEvents.has(type)) return 'all'
  return type === 'content_block_stop' || type.endsWith('.done') ? [groupOf(event)] : []
}

/** Anthropic's blocks, and items of the Responses API. */
function groupOf({ index, output_index, item_id }: JsonObject): string {
  return nameOf(index, output_index ?? item_id)
}

function readChatChunk({ choices = [], ...rest }: JsonObject): EventTexts {
  const listed = Array.isArray(choices) ? choices : []
  const pieces = listed.flatMap((choice, at) => {
    if (!isJsonObject(choice)) return []
    const group = groupOfChoice(choice, at)
    const field = spokenField(choice)
    return stringsIn(choice[field], ['choices', at, field]).map(({ path, text, structured }) => ({
      path,
      text,
      structured,
      json: isJsonText(path),
      group,
      channel: nameOf(group, ...channelOf(path, choice[field])),
    }))
  })
  const ends = listed.flatMap((choice, at) =>
    isJsonObject(choice) && hasFinished(choice) ? [groupOfChoice(choice, at)] : [],
  )
  const beside = listed.flatMap((choice, at) => textsIn(besideSpoken(choice), ['choices', at]))
  return { pieces, whole: [...textsIn(rest), ...beside], ends }
}

/** Some servers give every piece a reason, an empty one until the last. */
function hasFinished({ finish_reason: reason }: JsonObject): boolean {
  return typeof reason === 'string' && reason !== ''
}

/** Some servers have whole messages in place of deltas; of text completions the text is the choice's. */
function spokenField({ delta, message }: JsonObject): 'delta' | 'message' | 'text' {
  if (isJsonObject(delta)) return 'delta'
  return isJsonObject(message) ? 'message' : 'text'
}

function besideSpoken(choice: JsonValue): JsonValue {
  if (!isJsonObject(choice)) return choice
  const { [spokenField(choice)]: _spoken, ...beside } = choice
  return beside
}

function groupOfChoice({ index }: JsonObject, at: number): string {
  return nameOf('choice', index ?? at)
}

function isJsonText(path: Path): boolean {
  return jsonTextFields.has(path.at(-1) ?? '')
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

/**
 * Texts come in pieces, calls whole. A part after another kind of part begins another text. A reason why it finished ends none:
 * every piece may have one.
 */
function readGeminiChunk(candidates: readonly JsonValue[]): EventTexts {
  const said = candidates.flatMap((candidate, at) => textsIn(candidate, ['candidates', at]))
  const group = ({ path: [, at] }: FoundText) => nameOf('candidate', at)
  const isPiece = ({ path }: FoundText) => path.at(-1) === 'text' && path.includes('parts')
  const pieces = said.filter(isPiece).map((found) => {
    const { path, text, structured } = found
    const part = isThought(candidates, path) ? 'thought' : 'text'
    return { path, text, structured, json: false, group: group(found), channel: nameOf(group(found), part) }
  })
  const whole = said.filter((found) => !isPiece(found))
  // What is told of the text, as where it was found, does not end it.
  const between = whole.filter(({ path }) => path.includes('parts'))
  return { pieces, whole, ends: between.map(group) }
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
  return { pieces: stringsIn(delta, ['delta']).map((found) => pieceOfBlock(index, found)), whole: [], ends: [] }
}

/** A block may begin with the first words of its text. */
function readAnthropicStart(event: JsonObject): EventTexts {
  const said = textsIn(event)
  const isBegun = ({ path }: FoundText) => path.length === 2 && (path[1] === 'text' || path[1] === 'thinking')
  return {
    pieces: said.filter(isBegun).map((found) => pieceOfBlock(event['index'], found)),
    whole: said.filter((found) => !isBegun(found)),
    ends: [],
  }
}

function pieceOfBlock(index: JsonValue | undefined, { path, text, structured }: FoundText): Piece {
  const within = path.slice(1)
  const group = nameOf(index, undefined)
  return { path, text, structured, json: isJsonText(path), group, channel: nameOf('block', index, ...within) }
}

function readResponsesDelta(type: string, event: JsonObject, text: string): EventTexts {
  const { item_id, output_index, content_index, summary_index } = event
  const channel = nameOf(type, item_id, output_index, content_index, summary_index)
  const structured = type.includes('arguments')
  const piece = { channel, group: groupOf(event), path: ['delta'], text, structured, json: structured }
  return { pieces: [piece], whole: [], ends: [] }
}

function nameOf(...parts: (JsonValue | undefined)[]): string {
  return JSON.stringify(parts)
}
