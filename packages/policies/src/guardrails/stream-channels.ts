import { beginOfLast } from './folded-text.ts'
import type { GuardStreamOptions } from './guarded-stream.ts'
import type { Piece } from './stream-pieces.ts'
import { textsIn, withTexts } from './texts.ts'

/** The texts of a stream that come in pieces: each piece waits until it was judged with what stands around it. */
export interface HeldPiece extends Omit<Piece, 'channel'> {
  /** What goes out in its place, once it was judged. */
  judged: string | undefined
}

/** One text that comes in pieces, as far as it waits. */
export interface Channel {
  readonly group: string
  readonly json: boolean
  readonly structured: boolean
  readonly pieces: HeldPiece[]
  length: number
  /** Characters with which it is worth judging again. */
  due: number
}

export function createChannels({ check, window }: GuardStreamOptions) {
  const channels = new Map<string, Channel>()

  const judgeText = async (text: string, { structured, json }: Channel): Promise<string> => {
    if (!json) return (await check([{ text, structured }]))?.[0] ?? text
    const said = { arguments: text }
    const found = textsIn(said, [], true)
    const texts = await check(found)
    return texts === undefined ? text : withTexts(said, found, texts).arguments
  }

  /** Judges what may be judged of a text. A cut is between two events, and only where judging both sides apart is the same. */
  const settle = async (channel: Channel, final: boolean): Promise<void> => {
    const { pieces } = channel
    channel.due = channel.length + window
    const whole = textOf(pieces)
    const cut = final ? pieces.length : piecesBefore(pieces, beginOfLast(whole, window))
    if (cut === 0) return
    const judged = await judgeText(whole, channel)
    const rest = textOf(pieces.slice(cut))
    const judgedRest = judged === whole || rest === '' ? rest : await judgeText(rest, channel)
    if (!judged.endsWith(judgedRest)) return
    pass(pieces.splice(0, cut), judged.slice(0, judged.length - judgedRest.length))
    channel.length = rest.length
    channel.due = Math.max(2 * window, rest.length + 1)
  }

  return {
    take({ channel: name, ...piece }: Piece): { piece: HeldPiece; channel: Channel } {
      const { group, json, structured, text } = piece
      const channel = channels.get(name) ?? { group, json, structured, pieces: [], length: 0, due: 2 * window }
      const waiting = { ...piece, judged: undefined }
      channels.set(name, channel)
      channel.pieces.push(waiting)
      channel.length += text.length
      return { piece: waiting, channel }
    },
    /** Judges what ended to its end. */
    async end(ends: readonly string[] | 'all'): Promise<void> {
      for (const [name, channel] of channels) {
        if (ends !== 'all' && !ends.includes(channel.group)) continue
        channels.delete(name)
        await settle(channel, true)
      }
    },
    /** Judges what is long enough by now. */
    async settleDue(grown: ReadonlySet<Channel>): Promise<void> {
      for (const channel of grown) if (!channel.json && channel.length >= channel.due) await settle(channel, false)
    },
  }
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
