import type { TokenSeal } from './token-seal.ts'
import type { UserTokenMemory } from './user-token-memory.ts'
import type { TokenHolder, UserTokenStore } from './user-token-store.ts'
import type { KnownTokens } from './user-tokens.ts'

/** What a server is, to whoever has something kept for it. */
export interface ServerIdentity {
  readonly identity: string
  /** When it came to be this, as far as this gateway knows. */
  readonly knownSince: Date
}

export interface KnownTokensOptions {
  readonly store: Pick<UserTokenStore, 'find' | 'remove'>
  readonly seal: Pick<TokenSeal, 'open'>
  readonly memory: UserTokenMemory
}

/**
 * What a holder has, from memory or the store, and from memory a while longer where the store is away. What was kept for another
 * identity of the server is none, and is removed if it is from before this one: what came after it was got by a gateway that knows
 * the server in another way, and that one may be the newer.
 */
export function createKnownTokens({ store, seal, memory }: KnownTokensOptions) {
  return async (holder: TokenHolder, { identity, knownSince }: ServerIdentity): Promise<KnownTokens | undefined> => {
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
      if (row.connectedAt <= knownSince) await store.remove(holder, row.id)
      return undefined
    }
    const opened = { row, tokens: await seal.open(row.sealed, holder) }
    memory.remember(holder, opened, version)
    return opened
  }
}
