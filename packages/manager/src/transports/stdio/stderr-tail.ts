import { Buffer } from 'node:buffer'
import type { Secret } from '@toolgate/core'
import { withoutSecrets } from '../../upstream/redact.ts'

/** Bytes of a child's stderr that are kept: its last words. */
const maxTailBytes = 64 * 1024

export interface Tail {
  add(chunk: Buffer): void
  /** What was said last, without the secrets that the child was given. */
  text(): string
}

/** Keeps the last of what is written, within its bound. */
export function createTail(secrets: readonly Secret[]): Tail {
  // Kept beyond the bound and never shown: a secret that the cut falls into would not be recognised.
  const marginBytes = Math.max(0, ...secrets.map((secret) => 2 * Buffer.byteLength(secret.reveal())))
  const kept = maxTailBytes + marginBytes
  let tail = Buffer.alloc(0)
  return {
    add(chunk) {
      tail = Buffer.concat([tail, chunk.subarray(-kept)]).subarray(-kept)
    },
    text() {
      const cut = tail.length === kept
      const said = withoutSecrets(tail.toString('utf8'), secrets)
      return cut ? said.slice(marginBytes) : said
    },
  }
}
