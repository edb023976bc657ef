import type { TokenSeal } from './token-seal.ts'
import type { UserTokenMemory } from './user-token-memory.ts'
import type { TokenHolder, UserTokenStore } from './user-token-store.ts'
import type { KnownTokens } from './user-tokens.ts'

export interface KnownTokensOptions {
  readonly store: Pick<UserTokenStore, 'find'>
  readonly seal: Pick<TokenSeal, 'open'>
  readonly memory: UserTokenMemory
}

/**
 * What a holder has, from memory or the store, and from memory a while longer where the store is away. What was kept for another
 * identity of the server is none, and stays: another gateway, or this one before a mistake in its file, may know the server as
 * that. How long it stays is for `orphaned-accounts.ts` to say.
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
    // What was got for another server, or as another client, must not reach this one.
    if (row?.identity !== identity) return undefined
    const opened = { row, tokens: await seal.open(row.sealed, holder) }
    memory.remember(holder, opened, version)
    return opened
  }
}
