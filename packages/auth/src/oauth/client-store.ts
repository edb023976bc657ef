import type { OauthClientRow } from '@toolgate/db'

export type RegisteredClient = Omit<OauthClientRow, 'usedAt'>

/**
 * Where clients are kept that registered themselves. Anybody may register, so how many there are is bounded: those that
 * nobody let in go after a day, and first, then those that were let in longest ago. Rejects with `STORE_UNAVAILABLE`.
 */
export interface ClientStore {
  insert(client: RegisteredClient): Promise<void>
  find(id: string): Promise<OauthClientRow | undefined>
  /** Somebody let it in. */
  touch(id: string, now: Date): Promise<void>
}

export const mostClients = 10_000
/** Milliseconds for which one is kept that nobody let in. */
export const unusedMs = 24 * 60 * 60_000
