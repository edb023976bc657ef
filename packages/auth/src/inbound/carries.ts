import type { Secret } from '@toolgate/core'

/** A shorter text is in other values by chance; it then counts only where it is the whole value. */
const shortestTelling = 8

/**
 * Whether a header or cookie value holds this credential: as it is, percent-encoded, or as a part of
 * `Basic`. Used to keep the gateway's key from travelling on; anything craftier is the caller's own doing.
 */
export function carries(value: string, credential: Secret | undefined): boolean {
  if (credential === undefined) return false
  const key = credential.reveal()
  // Every way to write it that is looked at below is at least as long; most headers are not.
  if (value.length < key.length) return false
  return textsIn(value).some((text) => (key.length < shortestTelling ? bare(text) === key : text.includes(key)))
}

/** What a value says: as it is, and where it is written so percent-decoded, and the user and password of `Basic`. */
export function textsIn(value: string): readonly string[] {
  return [value, percentDecoded(value), basicDecoded(value)].filter((text) => text !== undefined)
}

function bare(text: string): string {
  return text.trim().replace(/^bearer\s+/i, '')
}

function percentDecoded(text: string): string | undefined {
  if (!text.includes('%')) return undefined
  try {
    return decodeURIComponent(text)
  } catch {
    // Not percent-encoded: it is looked at as it is.
    return undefined
  }
}

function basicDecoded(text: string): string | undefined {
  const [, encoded] = /^\s*basic\s+(\S+)/i.exec(text) ?? []
  return encoded === undefined ? undefined : Buffer.from(encoded, 'base64').toString('utf8')
}
