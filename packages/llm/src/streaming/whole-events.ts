/** Bytes of one event that is held until it is whole; a longer one comes in parts. */
const maxHeldBytes = 1_000_000

const endings = ['\n\n', '\r\n\r\n', '\r\r']

/** A stream of server-sent events cut behind events alone. A chunk that ends with an event passes as it came, at the cost of one search. */
export async function* wholeEvents(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let held: Uint8Array = Buffer.alloc(0)
  for await (const chunk of bytes) {
    const pending = held.length === 0 ? asBuffer(chunk) : Buffer.concat([held, chunk])
    const end = pending.length > maxHeldBytes ? pending.length : endOfEvents(pending)
    if (end > 0) yield pending.subarray(0, end)
    held = pending.subarray(end)
  }
  if (held.length > 0) yield asBuffer(held)
}

/** Each with the blank line behind it. In Latin-1 a text has a character for each byte, and comes out as it went in. */
export function splitEvents(text: string): string[] {
  return text.split(/(?<=\r\n\r\n|\n\n|\r\r)/)
}

/** What follows the first `data:` of each line, as one text; empty where the event has none. */
export function dataOf(event: string): string {
  const data = event.split(/\r\n|\n|\r/).filter(isData)
  return data.map((line) => line.slice('data:'.length).trimStart()).join('\n')
}

export function isData(line: string): boolean {
  return line.startsWith('data:')
}

function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}

/** Index behind the last event that is whole. */
function endOfEvents(bytes: Buffer): number {
  const ends = endings.map((ending) => {
    const start = bytes.lastIndexOf(ending)
    return start === -1 ? 0 : start + ending.length
  })
  return Math.max(...ends)
}
