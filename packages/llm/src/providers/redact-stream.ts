import type { Secret } from '@toolgate/core'

/** Bytes of one event that is held until it is whole; of a longer one the parts are looked at by themselves. */
const maxHeldBytes = 1_000_000

/**
 * Takes the key out of the error events of a stream, where some providers repeat it. All other bytes stay as they are; a
 * chunk that holds whole events and no error passes as it came, at the cost of one search.
 */
export async function* withoutKeyInErrors(
  bytes: AsyncIterable<Uint8Array>,
  apiKey: Secret,
): AsyncGenerator<Uint8Array> {
  // Latin-1 has a character for each byte, so that text of any encoding comes out as it went in.
  const key = Buffer.from(apiKey.reveal()).toString('latin1')
  let held: Uint8Array = Buffer.alloc(0)
  for await (const chunk of bytes) {
    const pending = held.length === 0 ? asBuffer(chunk) : Buffer.concat([held, chunk])
    const end = pending.length > maxHeldBytes ? pending.length : endOfEvents(pending)
    if (end > 0) yield redact(pending.subarray(0, end), key)
    held = pending.subarray(end)
  }
  if (held.length > 0) yield redact(asBuffer(held), key)
}

function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}

const endings = ['\n\n', '\r\n\r\n', '\r\r']

/** Index behind the last event that is whole. */
function endOfEvents(bytes: Buffer): number {
  const ends = endings.map((ending) => {
    const start = bytes.lastIndexOf(ending)
    return start === -1 ? 0 : start + ending.length
  })
  return Math.max(...ends)
}

function redact(events: Buffer, key: string): Buffer {
  if (!events.includes('"error"')) return events
  const parts = events.toString('latin1').split(/(?<=\r\n\r\n|\n\n|\r\r)/)
  const redacted = parts.map((part) => (part.includes('"error"') ? part.replaceAll(key, '[redacted]') : part))
  return Buffer.from(redacted.join(''), 'latin1')
}
