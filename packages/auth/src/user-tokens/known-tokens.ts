import type { TokenSeal } from './token-seal.ts'
import type { UserTokenMemory } from './user-token-memory.ts'
import type { TokenHolder, UserTokenStore } from './user-token-store.ts'
import type { KnownTokens } from './user-tokens.ts'

export interface KnownTokensOptions {
  readonly store: Pick<UserTokenStore, 'find' | 'remove'>
  readonly seal: Pick<TokenSeal, 'open'>
  readonly memory: UserTokenMemory
}

/**
 * What a holder has, from memory or the store, and from memory a while longer where the store is away. What was kept for another
 * identity of the server is none, and is removed.
 */
export function createKnownTokens({ store, seal, memory }: KnownTokensOptions) {
  return async (holder: TokenHolder, identity: string): Promise<KnownTokens | undefined> => {
    const known = memory.fresh(holder)
    if (known?.row.identity === identity) return known
    const { version } = memory
    const row = await store.find(holder).catch((error: unknown) => {
      const last = memory.last(holder)
      if (last?.row.identity !== identity) throw error
      return last.row
    })
    if (row === undefined) return undefined
    if (row.identity !== identity) {
      // What was got for another server, or as another client, must not reach this one. Somebody may sign in meanwhile.
      await store.remove(holder, row.id)
      return undefined
    }
    const opened = { row, tokens: await seal.open(row.sealed, holder) }
    memory.remember(holder, opened, version)
    return opened
  }
}
