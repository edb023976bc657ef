import { isDeepStrictEqual } from 'node:util'
import type { Entry } from './entries.ts'

/** Whether a reading brought another list than the one before, or the server had announced one. A failure brings none. */
export function isOtherList({ outcome, listing, edition }: Entry, previous: Entry | undefined): boolean {
  if (outcome.status !== 'ok' || listing === undefined) return false
  if (previous?.listing === undefined) return listing.items.length > 0
  return edition !== previous.edition || !isDeepStrictEqual(listing.items, previous.listing.items)
}
