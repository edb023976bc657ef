import { Secret } from '@toolgate/core'
import { splitEvents, wholeEvents } from '../streaming/whole-events.ts'
import { withoutCredentials } from './told-credentials.ts'

/** Takes credentials out of the error events of a stream, where some providers repeat them. All other bytes stay as they are. */
export async function* withoutKeyInErrors(
  bytes: AsyncIterable<Uint8Array>,
  credentials: readonly Secret[],
): AsyncGenerator<Uint8Array> {
  // Latin-1 has a character for each byte, so that text of any encoding comes out as it went in.
  const told = credentials.map((credential) => new Secret(Buffer.from(credential.reveal()).toString('latin1')))
  for await (const events of wholeEvents(bytes)) yield redact(events, told)
}

function redact(events: Buffer, credentials: readonly Secret[]): Buffer {
  if (!events.includes('"error"')) return events
  const parts = splitEvents(events.toString('latin1'))
  const redacted = parts.map((part) => (part.includes('"error"') ? withoutCredentials(part, credentials) : part))
  return Buffer.from(redacted.join(''), 'latin1')
}
