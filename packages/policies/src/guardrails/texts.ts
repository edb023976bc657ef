import { isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import type { TextSlot } from './guardrail.ts'
import { type ChangedToken, isLongNumber, type JsonToken, tokensOf, withTokens } from './json-text.ts'

/**
 * The texts in a request or an answer, whatever its dialect: every string but those that only name, refer or carry bytes. What
 * is unknown is looked at, so that a new field is no way past a guardrail. Inside arguments and structured results every
 * string is one, and every number that is long enough to be somebody's.
 */

/** Values that are no text, at any depth outside of structured values; among them what a provider's own filter says of one. */
const notText: ReadonlySet<string> = new Set(
  `_meta blob cache_control call_id content_filter_results created data detail encrypted_content fileUri file_data file_id finishReason finish_reason
   format icons id image_url index item_id logprobs logprobsResult media_type mimeType mime_type model name object obfuscation previous_response_id
   prompt_filter_results provider role safetyRatings server_label service_tier signature status stop_reason thoughtSignature system_fingerprint
   tool_call_id tool_use_id tools type uri url usage`.split(/\s+/),
)

/** Below these everything is a value that a program reads. */
const structuredFields: ReadonlySet<string> = new Set(
  'annotations args arguments functionResponse input partial_json structuredContent'.split(' '),
)

export type Path = readonly (string | number)[]

export interface FoundText extends TextSlot {
  readonly path: Path
  /** Where it stands within the JSON text at the path. */
  readonly token?: JsonToken
  /** Thinking with a signature: whoever signed it takes it back as it was and no other way. */
  readonly signed?: boolean
}

/** As {@link stringsIn}, and arguments that are written as a JSON text are looked into. */
export function textsIn(value: JsonValue | undefined, path: Path = [], structured = false): FoundText[] {
  return stringsIn(value, path, structured).flatMap((found) => {
    const tokens = jsonTextFields.has(found.path.at(-1) ?? '') ? tokensOf(found.text) : undefined
    return tokens?.map((token) => ({ text: token.text, structured: true, path: found.path, token })) ?? [found]
  })
}

/** These hold JSON as a text, and so do they when they come in pieces. */
export const jsonTextFields: ReadonlySet<string | number> = new Set(['arguments', 'partial_json'])

/** The strings as they stand, and among values long numbers. */
export function stringsIn(value: JsonValue | undefined, path: Path = [], structured = false): FoundText[] {
  if (typeof value === 'string') return value === '' ? [] : [{ text: value, structured, path }]
  if (typeof value === 'number') {
    const digits = String(value)
    return structured && isLongNumber(digits) ? [{ text: digits, structured, path }] : []
  }
  if (Array.isArray(value)) return value.flatMap((item, index) => stringsIn(item, [...path, index], structured))
  if (!isJsonObject(value)) return []
  if (!structured && isSigned(value)) return stringsIn(value['thinking'], [...path, 'thinking']).map(asSigned)
  return Object.entries(value).flatMap(([field, item]) => {
    if (!structured && notText.has(field) && !isPlainData(field, value)) return []
    return stringsIn(item, [...path, field], structured || isStructured(field, item))
  })
}

/** Of a document that is written out as text. */
function isPlainData(field: string, { type }: JsonObject): boolean {
  return field === 'data' && type === 'text'
}

/** Anthropic's; a signature beside anything else means nothing. */
function isSigned({ type, signature }: JsonObject): boolean {
  return type === 'thinking' && typeof signature === 'string' && signature !== ''
}

function asSigned(found: FoundText): FoundText {
  return { ...found, signed: true }
}

/** A list under `input` is a conversation, as in the Responses API; an object there is what a tool is called with. */
function isStructured(field: string, value: JsonValue): boolean {
  return structuredFields.has(field) && !(field === 'input' && (Array.isArray(value) || typeof value === 'string'))
}

/** The same value with other texts in those places. */
export function withTexts<Value extends JsonObject>(
  value: Value,
  found: readonly FoundText[],
  texts: readonly string[],
): Value {
  const copy = structuredClone(value)
  const inJson = new Map<Path, ChangedToken[]>()
  for (const [index, { path, text, token }] of found.entries()) {
    const shown = texts[index] ?? ''
    if (shown === text) continue
    if (token === undefined) {
      write(copy, path, () => shown)
      continue
    }
    const changed = inJson.get(path) ?? []
    changed.push({ ...token, shown })
    inJson.set(path, changed)
  }
  for (const [path, changed] of inJson) write(copy, path, (text) => withTokens(text, changed))
  return copy
}

type Change = (text: string) => string

function write(value: JsonValue, path: Path, change: Change): void {
  const [step, ...rest] = path
  if (step === undefined) return
  const inside = stepInto(value, step)
  if (rest.length > 0) {
    if (inside !== undefined) write(inside, rest, change)
    return
  }
  const before = stepInto(value, step)
  const shown = change(typeof before === 'string' ? before : '')
  if (Array.isArray(value) && typeof step === 'number') value[step] = shown
  else if (isJsonObject(value)) value[step] = shown
}

function stepInto(value: JsonValue, step: string | number): JsonValue | undefined {
  if (Array.isArray(value)) return typeof step === 'number' ? value[step] : undefined
  return isJsonObject(value) ? value[step] : undefined
}

/**
 * Of what a model is asked, in any dialect, what is not said to it: choices among fixed words, names of whoever asks, and
 * definitions of tools and answers, which are the operator's and the client's own.
 */
const settingFields: ReadonlySet<string> = new Set(
  `audio conversation encoding_format function_call functions generationConfig generation_config include labels metadata modalities output_config
   output_format prompt_cache_key reasoning reasoning_effort response_format safetySettings safety_identifier stop stop_sequences
   text thinking toolConfig tool_choice tool_config truncation user verbosity`.split(/\s+/),
)

export function textsOfRequest(body: JsonObject): FoundText[] {
  return saidIn(body)
}

/** Some dialects say a request once more in its answer. */
export function textsOfAnswer(body: JsonObject): FoundText[] {
  return saidIn(body)
}

function saidIn(body: JsonObject): FoundText[] {
  return textsIn(Object.fromEntries(Object.entries(body).filter(([field]) => !settingFields.has(field))))
}

/** What a server is asked: everything that is not its own name of a thing, and not its own state on its way back. */
export function textsOfParams({
  _meta,
  name: _name,
  uri: _uri,
  ref: _ref,
  requestState: _state,
  ...params
}: JsonObject): FoundText[] {
  return Object.entries(params).flatMap(([field, value]) => textsIn(value, [field], true))
}

/** MCP's own words about a result. What a server asks in the middle of a call is for people, and goes to them as it is. */
const protocolFields: ReadonlySet<string> = new Set([
  '_meta',
  'cacheScope',
  'inputRequests',
  'nextCursor',
  'requestState',
  'resultType',
])

/** What people and models read of a result: the contents of tools, prompts and resources. */
const proseFields: ReadonlySet<string> = new Set(['content', 'contents', 'description', 'messages'])

/** Everything else, as values to complete an argument with, is for programs. */
export function textsOfResult(result: JsonObject): FoundText[] {
  return Object.entries(result).flatMap(([field, value]) =>
    protocolFields.has(field) ? [] : textsIn(value, [field], !proseFields.has(field)),
  )
}

/** What a JSON-RPC error says, without its number: a sentence, and data for programs. */
export function textsOfError({ message, data }: JsonObject): FoundText[] {
  return [...textsIn(message, ['message']), ...textsIn(data, ['data'], true)]
}

/**
 * Without the probabilities of tokens: they spell the text once more, each token on its own, where no guardrail would know
 * anything again.
 */
export function withoutLogprobs<Value extends JsonValue>(value: Value): Value
export function withoutLogprobs(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map((item) => withoutLogprobs(item))
  if (!isJsonObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([field, item]) => {
      if (field !== 'logprobs' && field !== 'logprobsResult') return [field, withoutLogprobs(item)]
      return [field, Array.isArray(item) ? [] : null]
    }),
  )
}
