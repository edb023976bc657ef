import { Buffer } from 'node:buffer'
import type { Stream } from 'node:stream'
import type { Secret } from '@toolgate/core'
import { withoutSecrets } from '../upstream/redact.ts'

/** Bytes of a child's stderr that are kept: its last words. */
const maxTailBytes = 64 * 1024

export interface Tail {
  /** What was said last, without the secrets that the child was given. */
  text(): string
}

/** Reads a stream to its end, so that its writer never blocks, and keeps the last of it. */
export function keepTail(stream: Stream | null, secrets: readonly Secret[]): Tail {
  let tail = Buffer.alloc(0)
  stream?.on('data', (chunk: Buffer) => {
    tail = Buffer.concat([tail, chunk]).subarray(-maxTailBytes)
  })
  return { text: () => withoutSecrets(tail.toString('utf8'), secrets) }
}
