import type { ToolPinning } from '@toolgate/core'
import type { Listing, QuarantinedItem } from '../catalog/listing.ts'
import type { Verdict } from './tool-definitions.ts'

/** What was decided about the tools of one server: by name, then by hash. Replaced as a whole. */
export interface Approvals {
  readonly verdicts: ReadonlyMap<string, ReadonlyMap<string, Verdict>>
  /** False: the store has not said yet. */
  readonly known: boolean
}

/** Before the store was read: nothing is approved. */
export const noApprovals: Approvals = { verdicts: new Map(), known: false }

export interface ReviewOptions {
  readonly approvals: Approvals
  readonly pinning: ToolPinning
}

/** The list without the tools that are held, or with those that nobody approved named. One tool never touches another. Pure. */
export function reviewListing(listing: Listing, { approvals, pinning }: ReviewOptions): Listing {
  const doubtful: QuarantinedItem[] = []
  for (const name of listing.byName.keys()) {
    const reason = doubtAbout(name, listing.hashes?.get(name), approvals)
    if (reason !== undefined) doubtful.push({ name, reason })
  }
  if (doubtful.length === 0) return listing
  if (pinning !== 'hold') return { ...listing, unapproved: doubtful }
  const held = new Set(doubtful.map(({ name }) => name))
  const byName = new Map([...listing.byName].filter(([name]) => !held.has(name)))
  return { ...listing, byName, items: [...byName.values()], held: doubtful }
}

/** Why it is not approved; undefined where it is. */
function doubtAbout(name: string, hash: string | undefined, { verdicts, known }: Approvals): string | undefined {
  if (!known) return 'What was approved of this server could not be read yet.'
  if (hash === undefined) return 'Its definition is too large or too deep to be compared with an approved one.'
  const ofTool = verdicts.get(name)
  const verdict = ofTool?.get(hash)
  if (verdict === 'approved') return undefined
  if (verdict === 'rejected') return 'An administrator rejected its definition.'
  const wasApproved = [...(ofTool?.values() ?? [])].includes('approved')
  return wasApproved
    ? 'Its definition changed, and the change was not approved by an administrator yet.'
    : 'It is new, and was not approved by an administrator yet.'
}
