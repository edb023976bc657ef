import { encodeOutcome, type JsonObject } from '@toolgate/core'
import type { NamedItem, Offer } from '@toolgate/manager'

/** What a list does not show, and why, as the `_meta` of a list at every door. Names only what the caller may use. */
export function offerMeta({
  outcomes,
  withheld,
  unapproved,
}: Pick<Offer, 'outcomes' | 'withheld' | 'unapproved'>): JsonObject {
  return {
    'toolgate/outcomes': outcomes.map(encodeOutcome),
    'toolgate/withheld': withheld.map((item) => ({ ...encodeItem(item), status: item.status })),
    ...(unapproved.length > 0 && { 'toolgate/unapproved': unapproved.map(encodeItem) }),
  }
}

/** What can be called by whoever names the server as well: also what only a public name is missing to. */
export function callableItems({ items, withheld }: Pick<Offer, 'items' | 'withheld'>): Offer['items'] {
  const unnamed = withheld.flatMap(({ server, name, definition }) =>
    definition === undefined ? [] : [{ server, publicName: name, definition }],
  )
  return unnamed.length === 0 ? items : [...items, ...unnamed]
}

function encodeItem({ server, name, reason }: NamedItem): JsonObject {
  return { server: server.name, name, reason }
}
