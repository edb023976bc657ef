import { Buffer } from 'node:buffer'

const lineFeed = 0x0a

export interface LineReader {
  /** Takes the next bytes, in any portions, and hands on each line that they complete. */
  feed(chunk: Buffer): void
}

export interface LineReaderOptions {
  /** Bytes of one line. */
  readonly maxBytes: number
  /** One line without its end. Decoded whole, so that a character may be cut by a chunk. */
  readonly onLine: (line: string) => void
  /** An unfinished line outgrew its bound. Called once; nothing is read afterwards. */
  readonly onTooLong: () => void
}

/** Splits a stream into lines in linear time: every byte is searched once and copied at most once. */
export function createLineReader({ maxBytes, onLine, onTooLong }: LineReaderOptions): LineReader {
  let pieces: Buffer[] = []
  let bytes = 0
  let tooLong = false

  const take = (piece: Buffer) => {
    bytes += piece.length
    tooLong = bytes > maxBytes
    if (tooLong) pieces = []
    else pieces.push(piece)
    if (tooLong) onTooLong()
  }

  const finish = () => {
    const line = pieces.length === 1 ? pieces[0] : Buffer.concat(pieces, bytes)
    pieces = []
    bytes = 0
    onLine(line?.toString('utf8') ?? '')
  }

  return {
    feed(chunk) {
      let start = 0
      for (let end = chunk.indexOf(lineFeed); end !== -1; end = chunk.indexOf(lineFeed, start)) {
        if (tooLong) return
        take(chunk.subarray(start, end))
        if (tooLong) return
        finish()
        start = end + 1
      }
      if (!tooLong && start < chunk.length) take(chunk.subarray(start))
    },
  }
}
