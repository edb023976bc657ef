import { isJsonObject, type JsonObject } from '@toolgate/core'
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import { tooLongToJudge } from './enforce.ts'
import type { TextSlot } from './guardrail.ts'
import { readEvent } from './stream-pieces.ts'
import { type Path, withoutLogprobs, withTexts } from './texts.ts'

/**
 * A stream of which nothing goes out that was not judged. Text is held back until `window` characters behind it are there, so
 * that whatever begins in it is seen whole; what is complete is judged at once. Events keep their order, and those without
 * text wait for the ones before them.
 */
export interface GuardStreamOptions {
  /** Resolves with other texts where they were changed. Rejects where the stream must not go on. */
  readonly check: (slots: readonly TextSlot[]) => Promise<readonly string[] | undefined>
  /** Characters; infinite: whole texts are judged. */
  readonly window: number
}

/** Characters of events held back. */
const maxHeld = 4_000_000

interface HeldPiece {
  readonly path: Path
  readonly text: string
  readonly structured: boolean
  /** What goes out in its place, once it was judged. */
  judged: string | undefined
}

interface HeldEvent {
  readonly name: string | undefined
  readonly data: string
  /** Undefined: no JSON object, and nothing to judge. */
  readonly event: JsonObject | undefined
  readonly pieces: readonly HeldPiece[]
}

export async function* guardStream(
  bytes: AsyncIterable<Uint8Array>,
  options: GuardStreamOptions,
): AsyncGenerator<Uint8Array> {
  const gate = createGate(options)
  const decoder = new TextDecoder()
  let arrived: EventSourceMessage[] = []
  const parser = createParser({ onEvent: (event) => void arrived.push(event), maxBufferSize: maxHeld })
  for await (const chunk of bytes) {
    parser.feed(decoder.decode(chunk, { stream: true }))
    for (const event of arrived) {
      await gate.take(event)
      yield* gate.release()
    }
    arrived = []
  }
  await gate.end()
  yield* gate.release()
}

function createGate({ check, window }: GuardStreamOptions) {
  const held: HeldEvent[] = []
  const channels = new Map<string, HeldPiece[]>()
  let size = 0

  /** Judges what may be judged of a text. A cut is between two events, and only where judging both sides apart is the same. */
  const settle = async (pieces: HeldPiece[], final: boolean): Promise<void> => {
    const whole = textOf(pieces)
    const cut = final ? pieces.length : piecesBefore(pieces, whole.length - window)
    if (cut === 0) return
    const structured = pieces[0]?.structured ?? false
    const judge = async (text: string) => (await check([{ text, structured }]))?.[0] ?? text
    const judged = await judge(whole)
    const rest = textOf(pieces.slice(cut))
    const judgedRest = judged === whole || rest === '' ? rest : await judge(rest)
    if (!judged.endsWith(judgedRest)) return
    pass(pieces.splice(0, cut), judged.slice(0, judged.length - judgedRest.length))
  }

  const settleAll = async () => {
    for (const pieces of channels.values()) if (pieces.length > 0) await settle(pieces, true)
    channels.clear()
  }

  return {
    async take({ event: name, data }: EventSourceMessage): Promise<void> {
      const read = parseObject(data)
      const spelt = read !== undefined && data.includes('"logprobs"')
      const event = spelt ? withoutLogprobs(read) : read
      const { pieces, whole, ends } = event === undefined ? { pieces: [], whole: [], ends: false } : readEvent(event)
      const waiting = pieces.map((piece) => ({ ...piece, judged: undefined }))
      for (const piece of waiting) {
        const channel = channels.get(piece.channel) ?? []
        channels.set(piece.channel, channel)
        channel.push(piece)
      }
      if (ends) await settleAll()
      const texts = whole.length === 0 ? undefined : await check(whole)
      const shown = event === undefined || texts === undefined ? event : withTexts(event, whole, texts)
      const changed = shown !== read && shown !== undefined
      held.push({ name, data: changed ? JSON.stringify(shown) : data, event: shown, pieces: waiting })
      size += data.length
      if (size > maxHeld) throw tooLongToJudge()
      for (const piece of new Set(waiting.map(({ channel }) => channel))) {
        const channel = channels.get(piece)
        if (channel !== undefined && textOf(channel).length >= 2 * window) await settle(channel, false)
      }
    },
    end: settleAll,
    /** What may go out by now. */
    *release(): Generator<Uint8Array> {
      for (let next = held[0]; next !== undefined && next.pieces.every(isJudged); next = held[0]) {
        held.shift()
        size -= next.data.length
        yield write(next)
      }
    },
  }
}

function isJudged({ judged }: HeldPiece): boolean {
  return judged !== undefined
}

function textOf(pieces: readonly HeldPiece[]): string {
  return pieces.map(({ text }) => text).join('')
}

/** How many pieces end within the first `length` characters. */
function piecesBefore(pieces: readonly HeldPiece[], length: number): number {
  let end = 0
  const beyond = pieces.findIndex(({ text }) => {
    end += text.length
    return end > length
  })
  return beyond === -1 ? pieces.length : beyond
}

/** Unchanged, every piece stays where it was; changed, the first one carries all of it. */
function pass(pieces: readonly HeldPiece[], judged: string): void {
  const unchanged = judged === textOf(pieces)
  for (const [index, piece] of pieces.entries()) {
    if (unchanged) piece.judged = piece.text
    else piece.judged = index === 0 ? judged : ''
  }
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

function parseObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isJsonObject(value) ? value : undefined
  } catch {
    // `[DONE]`, or what nobody can read: it holds no text that a client would show.
    return undefined
  }
}
