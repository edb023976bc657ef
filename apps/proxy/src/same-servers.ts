/**
 * Whether a list of servers is the one before it: nobody is woken, and no connection given up, for what means the same.
 */
import { type DeclaredServer, isLeftOut } from '@toolgate/manager'

/** Equal for what means the same. */
export function identityOf(server: DeclaredServer): string {
  return JSON.stringify(isLeftOut(server) ? server : [server.id, server.revision])
}

/** What is left out is written down anew each time; a server that is another object was built anew. */
export function isSame(before: DeclaredServer, now: DeclaredServer): boolean {
  return before === now || (isLeftOut(now) && identityOf(before) === identityOf(now))
}

export function hasSame<Item>(
  before: readonly Item[] | undefined,
  now: readonly Item[],
  same: (before: Item, now: Item) => boolean = Object.is,
): boolean {
  if (before?.length !== now.length) return false
  return now.every((item, index) => {
    const earlier = before[index]
    return earlier !== undefined && same(earlier, item)
  })
}
