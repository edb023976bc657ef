import type { UserTokenRow } from '@toolgate/db'
import type { TokenHolder, UserTokenStore } from './user-token-store.ts'

/** Reads of one owner that are asked for at once, as for a list of servers, are one question to the store. */
export function gatheredReads(store: Pick<UserTokenStore, 'find' | 'findAllOf'>): Pick<UserTokenStore, 'find'> {
  const waiting = new Map<
    string,
    { readonly serverIds: Set<string>; readonly rows: Promise<readonly UserTokenRow[]> }
  >()

  const ask = async (owner: string, serverIds: ReadonlySet<string>): Promise<readonly UserTokenRow[]> => {
    // Whoever asks now asks for this owner together.
    await Promise.resolve()
    waiting.delete(owner)
    const [serverId, ...others] = serverIds
    if (serverId === undefined || others.length > 0) return store.findAllOf(owner)
    const row = await store.find({ owner, serverId })
    return row === undefined ? [] : [row]
  }

  return {
    async find({ owner, serverId }: TokenHolder) {
      let asking = waiting.get(owner)
      if (asking === undefined) {
        const serverIds = new Set<string>()
        asking = { serverIds, rows: ask(owner, serverIds) }
        waiting.set(owner, asking)
      }
      asking.serverIds.add(serverId)
      return (await asking.rows).find((row) => row.serverId === serverId)
    },
  }
}
