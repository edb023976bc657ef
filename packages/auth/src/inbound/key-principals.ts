import { type Clock, GatewayError, type Principal } from '@toolgate/core'
import type { DefaultAccess } from '../keys/grants.ts'
import type { KeyCache } from '../keys/key-cache.ts'
import { refuseUnusable, toPrincipal } from './key-admission.ts'

/** Who a key would be, without its being presented: for administrators that want to know what it may do. */
export interface KeyPrincipals {
  /** By the hash of the key. Rejects with `STORE_UNAVAILABLE`. */
  find(hash: string, signal: AbortSignal): Promise<KnownKey | undefined>
}

export interface KnownKey {
  readonly principal: Principal
  /** Why nobody can use it now. */
  readonly unusable: string | undefined
}

export interface KeyPrincipalsOptions {
  readonly keys: Pick<KeyCache, 'find'>
  readonly defaultAccess: () => DefaultAccess
  readonly clock: Clock
}

export function createKeyPrincipals({ keys, defaultAccess, clock }: KeyPrincipalsOptions): KeyPrincipals {
  return {
    async find(hash, signal) {
      const row = await keys.find(hash, signal)
      if (row === undefined) return undefined
      const principal = toPrincipal(row, defaultAccess())
      try {
        refuseUnusable(row, clock.now())
        return { principal, unusable: undefined }
      } catch (error) {
        // What it may do is asked, and so is this.
        if (!(error instanceof GatewayError)) throw error
        return { principal, unusable: error.message }
      }
    },
  }
}
