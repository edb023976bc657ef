import type { UserTokenRow } from '@toolgate/db'
import type { HeldKind, TokenHolder, UserTokenStore } from './user-token-store.ts'

/** Reads of one owner that are asked for at once, as for a list of servers, are one question to the store. */
export function gatheredReads(store: Pick<UserTokenStore, 'find' | 'findAllOf'>): Pick<UserTokenStore, 'find'> {
  const waiting = new Map<
    string,
    { readonly serverIds: Set<string>; readonly rows: Promise<readonly UserTokenRow[]> }
  >()

  const ask = async (
    owner: string,
    kind: HeldKind,
    serverIds: ReadonlySet<string>,
  ): Promise<readonly UserTokenRow[]> => {
    // Whoever asks now asks for this owner together.
    await Promise.resolve()
    waiting.delete(keyOf(owner, kind))
    const [serverId, ...others] = serverIds
    if (serverId === undefined || others.length > 0) return store.findAllOf(owner, kind)
    const row = await store.find({ owner, serverId, kind })
    return row === undefined ? [] : [row]
  }

  return {
    async find({ owner, serverId, kind = 'credential' }: TokenHolder) {
      let asking = waiting.get(keyOf(owner, kind))
      if (asking === undefined) {
        const serverIds = new Set<string>()
        asking = { serverIds, rows: ask(owner, kind, serverIds) }
        waiting.set(keyOf(owner, kind), asking)
      }
      asking.serverIds.add(serverId)
      return (await asking.rows).find((row) => row.serverId === serverId)
    },
  }
}

function keyOf(owner: string, kind: HeldKind): string {
  return JSON.stringify([owner, kind])
}
