import type { JsonValue } from '@toolgate/core'

/** The id of a call of one turn: ours where its provider wrote none, or one that another call of the turn has. */
export function idOfItsOwn(sent: JsonValue | undefined, taken: Set<string>, newId: () => string): string {
  const id = typeof sent === 'string' && sent !== '' && !taken.has(sent) ? sent : newId()
  taken.add(id)
  return id
}
