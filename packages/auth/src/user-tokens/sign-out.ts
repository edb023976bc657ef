/** The end of an account that its user takes back: it is gone here at once, and at its server as soon as that can be told. */
import { type Logger, toGatewayError } from '@toolgate/core'
import type { TokenSeal } from './token-seal.ts'
import type { UpstreamClient } from './upstream-client.ts'
import type { UserTokenMemory } from './user-token-memory.ts'
import type { UserTokenStore } from './user-token-store.ts'
import type { TokenContext } from './user-tokens.ts'

export interface SignOutOptions {
  readonly store: Pick<UserTokenStore, 'remove'>
  readonly seal: Pick<TokenSeal, 'open'>
  readonly upstream: Pick<UpstreamClient, 'revoke'>
  readonly memory: Pick<UserTokenMemory, 'forget' | 'expect'>
  readonly log: Logger
}

/** False where there was none. */
export function createSignOut({ store, seal, upstream, memory, log }: SignOutOptions) {
  const endThere = async (sealed: string, { at, holder }: TokenContext): Promise<void> => {
    try {
      const { refresh, party } = await seal.open(sealed, holder)
      if (refresh === undefined || party === undefined) return
      await upstream.revoke(refresh, { at, party }, new AbortController().signal)
    } catch (error) {
      // Nobody waits for it: whose it was has no account here any more, whatever the server says.
      const { code, internal } = toGatewayError(error)
      log.warn(
        { server: at.name, code, internal },
        'A refresh token that a user took back could not be ended at its server.',
      )
    }
  }

  return async (context: TokenContext): Promise<boolean> => {
    const { holder, identity } = context
    memory.forget(holder)
    const removed = await store.remove(holder)
    // What was got for what the server was before is not shown to what it is.
    if (removed?.identity === identity) memory.expect(endThere(removed.sealed, context))
    return removed !== undefined
  }
}
