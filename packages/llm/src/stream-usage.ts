import { isJsonObject, type JsonObject, type JsonValue, parseJsonObject } from '@toolgate/core'
import { createParser } from 'eventsource-parser'

/** Characters of one event; a longer one is relayed all the same and only not looked into. */
const maxEventLength = 1_000_000

/** Characters of a whole answer; the usage of a longer one stays unknown. */
const maxDocumentLength = 64_000_000

export interface UsageWatch {
  onUsage(usage: JsonObject): void
  /** The client has its answer. */
  onEnd?(): void
  /** Characters that the model said in one event: about, for they are counted as they are written. */
  onWords?(characters: number): void
}

/**
 * Passes a stream through byte for byte and reports the usage in it, whatever its dialect, and its last event. It reads only events that mention usage:
 * the others are most of the stream.
 */
export async function* watchUsage(
  bytes: AsyncIterable<Uint8Array>,
  { onUsage, onEnd = () => {}, onWords = () => {} }: UsageWatch,
): AsyncGenerator<Uint8Array> {
  const decoder = new TextDecoder()
  const look = (data: string) => {
    if (isEnd(data)) onEnd()
    onWords(wordsIn(data))
    const usage = /"usage(?:Metadata)?"/.test(data) ? readUsage(data) : undefined
    if (usage !== undefined) onUsage(usage)
  }
  const parser = createParser({ maxBufferSize: maxEventLength, onEvent: ({ data }) => look(data) })
  let begun = false
  let document: string | undefined
  for await (const chunk of bytes) {
    const text = decoder.decode(chunk, { stream: true })
    if (!begun && text.trim() !== '') {
      begun = true
      // A provider may answer whole although a stream was asked for.
      if (text.trimStart().startsWith('{')) document = ''
    }
    if (document === undefined) feed(parser, text)
    else if (document.length <= maxDocumentLength) document += text
    yield chunk
  }
  if (document !== undefined) look(document)
  // Some servers just stop.
  onEnd()
}

/** The counts in an answer or a piece of one; Gemini's in the words of chat completions. */
export function usageIn({ usage, usageMetadata: counts }: JsonObject): JsonObject | undefined {
  if (isJsonObject(usage)) return usage
  if (!isJsonObject(counts)) return undefined
  const { promptTokenCount: prompt, candidatesTokenCount: said, thoughtsTokenCount: thought } = counts
  return {
    prompt_tokens: countOf(prompt),
    // Gemini counts thoughts beside the answer.
    completion_tokens: countOf(said) + countOf(thought),
    prompt_tokens_details: { cached_tokens: countOf(counts['cachedContentTokenCount']) },
  }
}

function countOf(value: JsonValue | undefined): number {
  return typeof value === 'number' ? value : 0
}

/** What is said in each dialect, in the fields of a piece. Responses say it again when a part is done. */
const words = /"(?:content|text|reasoning_content|thinking|arguments|partial_json)":"((?:[^"\\]|\\.)*)"/g
const wordsOfResponses = /"delta":"((?:[^"\\]|\\.)*)"/g

function wordsIn(data: string): number {
  const said = data.includes('"type":"response.') ? wordsOfResponses : words
  let characters = 0
  for (const [, text = ''] of data.matchAll(said)) characters += text.length
  return characters
}

const ends = [
  // A piece of Gemini's that says how it finished; more than one may.
  '"finishReason":',
  '"type":"response.completed"',
  '"type":"response.incomplete"',
  '"type":"message_stop"',
]

/** After this a client has its answer, whatever becomes of the connection: Codex hangs up at once. */
function isEnd(data: string): boolean {
  return data === '[DONE]' || ends.some((end) => data.includes(end))
}

function feed(parser: ReturnType<typeof createParser>, text: string): void {
  try {
    parser.feed(text)
  } catch {
    // Counting must not end a stream: its usage stays unknown.
  }
}

function readUsage(data: string): JsonObject | undefined {
  const chunk = parseJsonObject(data)
  if (chunk === undefined) return undefined
  // Where the dialects have it: a chunk itself, the response of an event, the message that a stream begins with.
  const within = [chunk, chunk['response'], chunk['message']].filter(isJsonObject)
  return within.map(usageIn).find((usage) => usage !== undefined)
}
