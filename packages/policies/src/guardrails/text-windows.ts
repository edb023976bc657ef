import { type FoldedText, fold, isPlain } from './folded-text.ts'
import type { Pace } from './pace.ts'
import type { Place } from './personal-data-kinds.ts'

/**
 * A text in windows that overlap: a long one is looked through window by window, so that no step of it is long. Most texts are
 * one window.
 */
export interface TextWindow {
  readonly text: string
  /** Its own part. Around it stands what a place in it may reach into; the cores of all windows are the text. */
  readonly core: Place
  /** Where a place in the window stands in the written text. */
  toWritten(place: Place): Place
  /** Something in it, or before it, reads otherwise than it is written. */
  readonly differs: boolean
}

export interface WindowOptions {
  /** Characters on both sides of a core: what is longer may not be seen whole. */
  readonly context: number
  readonly pace: Pace
}

/** Characters of a core. A slow pattern looks through a window in some tens of milliseconds, in a hundred or so where it finds places all over. */
const coreLength = 65_536

/** The text as it is written. */
export async function* windowsAsWritten(text: string, { context, pace }: WindowOptions): AsyncGenerator<TextWindow> {
  for (let from = 0, last = false; !last; from += coreLength) {
    const window = text.slice(from, from + coreLength + 2 * context)
    last = from + window.length >= text.length
    const offset = from
    yield {
      text: window,
      core: { start: from === 0 ? 0 : context, end: last ? window.length : window.length - context },
      toWritten: ({ start, end }) => ({ start: start + offset, end: end + offset }),
      differs: false,
    }
    await pace.worked(window.length)
  }
}

/** The text as it reads. */
export async function* windowsAsRead(text: string, options: WindowOptions): AsyncGenerator<TextWindow> {
  yield* isPlain(text) ? windowsAsWritten(text, options) : windowsFolded(text, options)
}

async function* windowsFolded(text: string, { context, pace }: WindowOptions): AsyncGenerator<TextWindow> {
  let seen: FoldedText = { text: '', starts: [], ends: [] }
  let differs = false
  for (let at = 0, first = true; at < text.length; ) {
    const begin = at
    const part = fold(text, begin, Math.min(text.length, begin + coreLength + (first ? 2 * context : 0)))
    differs ||= part.text !== text.slice(begin, part.end)
    at = part.end
    seen = joined(seen, part)
    const last = at === text.length
    // Of what nobody sees there may be any amount.
    if (last || seen.text.length > 2 * context) {
      const core = { start: first ? 0 : context, end: last ? seen.text.length : seen.text.length - context }
      yield { text: seen.text, core, toWritten: placesIn(seen), differs }
      seen = lastOf(seen, 2 * context)
      first = false
    }
    await pace.worked(part.text.length + part.end - begin)
  }
}

function joined(one: FoldedText, other: FoldedText): FoldedText {
  if (one.text === '') return other
  return {
    text: one.text + other.text,
    starts: [...one.starts, ...other.starts],
    ends: [...one.ends, ...other.ends],
  }
}

function lastOf({ text, starts, ends }: FoldedText, length: number): FoldedText {
  return { text: text.slice(-length), starts: starts.slice(-length), ends: ends.slice(-length) }
}

function placesIn({ starts, ends }: FoldedText): TextWindow['toWritten'] {
  return ({ start, end }) => ({ start: starts[start] ?? 0, end: ends[end - 1] ?? 0 })
}
