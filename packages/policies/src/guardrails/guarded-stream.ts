import { type JsonObject, parseJsonObject } from '@toolgate/core'
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import { tooLongToJudge } from './enforce.ts'
import type { TextSlot } from './guardrail.ts'
import { createChannels, type HeldPiece } from './stream-channels.ts'
import { type EventTexts, readEvent } from './stream-pieces.ts'
import { type FoundText, textsOfAnswer, withoutLogprobs, withTexts } from './texts.ts'

/**
 * A stream of which nothing goes out that was not judged. Text is held back until `window` characters behind it are there, so
 * that whatever begins in it is seen whole; what is complete is judged at once. Events keep their order, and those without
 * text wait for the ones before them. Arguments in JSON wait until all of them are there: they are judged value by value.
 */
export interface GuardStreamOptions {
  /** Resolves with other texts where they were changed. Rejects where the stream must not go on. */
  readonly check: (slots: readonly TextSlot[]) => Promise<readonly string[] | undefined>
  /** Characters; infinite: whole texts are judged. */
  readonly window: number
}

/** Characters of events held back. */
const maxHeld = 4_000_000

interface HeldEvent {
  readonly name: string | undefined
  readonly data: string
  /** Undefined: no JSON object; its data is judged as a text. */
  readonly event: JsonObject | undefined
  readonly pieces: readonly HeldPiece[]
}

export async function* guardStream(
  bytes: AsyncIterable<Uint8Array>,
  options: GuardStreamOptions,
): AsyncGenerator<Uint8Array> {
  const decoder = new TextDecoder()
  const source = bytes[Symbol.asyncIterator]()
  let begun = ''
  try {
    for (let step = await source.next(); !step.done; step = await source.next()) {
      begun = decoder.decode(step.value, { stream: true })
      if (begun.trim() !== '') break
    }
    const rest = decoded({ [Symbol.asyncIterator]: () => source }, decoder)
    yield* begun.trimStart().startsWith('{') ? guardDocument(begun, rest, options) : guardEvents(begun, rest, options)
  } finally {
    await source.return?.()
  }
}

async function* decoded(
  bytes: AsyncIterable<Uint8Array>,
  decoder: InstanceType<typeof TextDecoder>,
): AsyncGenerator<string> {
  for await (const chunk of bytes) yield decoder.decode(chunk, { stream: true })
  yield decoder.decode()
}

/** A provider may answer whole although a stream was asked for. */
async function* guardDocument(
  begun: string,
  rest: AsyncIterable<string>,
  { check }: GuardStreamOptions,
): AsyncGenerator<Uint8Array> {
  let document = begun
  for await (const text of rest) {
    document += text
    if (document.length > maxHeld) throw tooLongToJudge()
  }
  const answer = parseJsonObject(document)
  const texts: readonly FoundText[] =
    answer === undefined ? [{ text: document, structured: false, path: [] }] : textsOfAnswer(answer)
  const shown = await check(texts)
  if (shown === undefined) yield Buffer.from(document)
  else if (answer === undefined) yield Buffer.from(shown[0] ?? '')
  else yield Buffer.from(JSON.stringify(withoutLogprobs(withTexts(answer, texts, shown))))
}

async function* guardEvents(
  begun: string,
  rest: AsyncIterable<string>,
  options: GuardStreamOptions,
): AsyncGenerator<Uint8Array> {
  const gate = createGate(options)
  let arrived: (EventSourceMessage | typeof comment)[] = []
  const parser = createParser({
    onEvent: (event) => void arrived.push(event),
    onComment: () => void arrived.push(comment),
    maxBufferSize: maxHeld,
  })
  const read = async function* (text: string) {
    parser.feed(text)
    const events = arrived
    arrived = []
    for (const event of events) {
      if (event === comment) {
        yield Buffer.from(comment)
        continue
      }
      await gate.take(event)
      yield* gate.release()
    }
  }
  yield* read(begun)
  for await (const text of rest) yield* read(text)
  // Its last event may lack the blank line that ends it.
  yield* read('\n\n')
  await gate.end()
  yield* gate.release()
}

/** Keeps a connection open while text is held back. What it says is left out. */
const comment = ':\n\n'

function createGate(options: GuardStreamOptions) {
  const { check } = options
  const checkText = async (text: string) => (await check([{ text, structured: false }]))?.[0] ?? text
  const held: HeldEvent[] = []
  const channels = createChannels(options)
  let size = 0

  return {
    async take({ event: name, data }: EventSourceMessage): Promise<void> {
      const read = parseJsonObject(data)
      const spelt = read !== undefined && /"logprobs(?:Result)?"/.test(data)
      const event = spelt ? withoutLogprobs(read) : read
      const { pieces, whole, ends }: EventTexts =
        event === undefined ? { pieces: [], whole: [], ends: [] } : readEvent(event)
      const waiting = pieces.map((piece) => channels.take(piece))
      await channels.end(ends)
      const shownData = event === undefined && data !== '[DONE]' ? await checkText(data) : data
      const texts = whole.length === 0 ? undefined : await check(whole)
      const shown = event === undefined || texts === undefined ? event : withTexts(event, whole, texts)
      const changed = shown !== read && shown !== undefined
      held.push({
        name,
        data: changed ? JSON.stringify(shown) : shownData,
        event: shown,
        pieces: waiting.map(({ piece }) => piece),
      })
      size += data.length
      if (size > maxHeld) throw tooLongToJudge()
      await channels.settleDue(new Set(waiting.map(({ channel }) => channel)))
    },
    end: () => channels.end('all'),
    /** What may go out by now. */
    release(): readonly Uint8Array[] {
      const waiting = held.findIndex(({ pieces }) => !pieces.every(isJudged))
      const ready = held.splice(0, waiting === -1 ? held.length : waiting)
      size = ready.reduce((left, { data }) => left - data.length, size)
      return ready.map(write)
    },
  }
}

function isJudged({ judged }: HeldPiece): boolean {
  return judged !== undefined
}

function write({ name, data, event, pieces }: HeldEvent): Uint8Array {
  const changed = pieces.filter(({ text, judged }) => text !== judged)
  const shown =
    event === undefined || changed.length === 0
      ? data
      : JSON.stringify(
          withTexts(
            event,
            changed,
            changed.map(({ judged = '' }) => judged),
          ),
        )
  const lines = shown.split('\n').map((line) => `data: ${line}\n`)
  return Buffer.from(`${name === undefined ? '' : `event: ${name}\n`}${lines.join('')}\n`)
}
