import { isJsonObject, type JsonObject, type JsonValue, parseJsonObject } from '@toolgate/core'
import { createParser } from 'eventsource-parser'
import { isEnd, wordsIn } from './stream-words.ts'

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
    if (document === undefined) attempt(() => parser.feed(text))
    else if (document.length <= maxDocumentLength) document += text
    yield chunk
  }
  const whole = document
  if (whole !== undefined) attempt(() => look(whole))
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

function attempt(work: () => void): void {
  try {
    work()
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
