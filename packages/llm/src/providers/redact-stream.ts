import type { Secret } from '@toolgate/core'
import { splitEvents, wholeEvents } from '../streaming/whole-events.ts'

/** Takes the key out of the error events of a stream, where some providers repeat it. All other bytes stay as they are. */
export async function* withoutKeyInErrors(
  bytes: AsyncIterable<Uint8Array>,
  apiKey: Secret,
): AsyncGenerator<Uint8Array> {
  // Latin-1 has a character for each byte, so that text of any encoding comes out as it went in.
  const key = Buffer.from(apiKey.reveal()).toString('latin1')
  for await (const events of wholeEvents(bytes)) yield redact(events, key)
}

function redact(events: Buffer, key: string): Buffer {
  if (!events.includes('"error"')) return events
  const parts = splitEvents(events.toString('latin1'))
  const redacted = parts.map((part) => (part.includes('"error"') ? part.replaceAll(key, '[redacted]') : part))
  return Buffer.from(redacted.join(''), 'latin1')
}
