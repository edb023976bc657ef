import type { ObjectChanges, UserTokenRow } from '@toolgate/db'

/** The channel on which every change of a user's tokens is announced; the payload is {@link holderKey}. */
export const userTokenChangesChannel = 'user_tokens'

/** Of the management events, which tell of sign-ins and sign-outs. */
export const userTokenType = 'user_token'

/** Of one holder. A server that wants a scope of its own for each request gets no further. */
export const mostWantedScopes = 50

/** `variables`: what the user set of those that the server declares, beside the credential. */
export type HeldKind = 'credential' | 'variables'

/** Whose, at which server. Without a kind it is the credential. */
export interface TokenHolder {
  readonly owner: string
  readonly serverId: string
  readonly kind?: HeldKind
}

export function holderKey({ owner, serverId, kind = 'credential' }: TokenHolder): string {
  return JSON.stringify(kind === 'credential' ? [owner, serverId] : [owner, serverId, kind])
}

export type NewUserTokens = Pick<
  UserTokenRow,
  'id' | 'serverName' | 'identity' | 'sealed' | 'scopes' | 'expiresAt' | 'refreshable' | 'connectedAt'
>

export type RefreshedTokens = Pick<UserTokenRow, 'sealed' | 'scopes' | 'expiresAt' | 'refreshable'>

/** Where users' tokens are kept, sealed. Rejects with `STORE_UNAVAILABLE`. Implemented in `user-token-store.postgres.ts`. */
export interface UserTokenStore {
  find(holder: TokenHolder): Promise<UserTokenRow | undefined>
  /** At every server. */
  findAllOf(owner: string, kind?: HeldKind): Promise<readonly UserTokenRow[]>
  /**
   * In the place of whatever was there, which `next` is told: nobody else puts anything there meanwhile. `next` must not ask the
   * store.
   */
  save(holder: TokenHolder, next: (former: UserTokenRow | undefined) => Promise<NewUserTokens>): Promise<UserTokenRow>
  /** What there was, and is not any more; undefined where there was none. */
  remove(holder: TokenHolder): Promise<UserTokenRow | undefined>
  /**
   * Takes the right to refresh these very tokens, for so many milliseconds; false where somebody else has it or they are not
   * there any more. A gateway that dies with it has it for so long and no longer, by the clock of the store: those of two
   * gateways may differ by more. What is claimed or settled is in use, and no orphan.
   */
  claim(row: Pick<UserTokenRow, 'id' | 'version'>, forMs: number): Promise<boolean>
  /** What came of a claim. Undefined where the row was replaced meanwhile: then that one counts. */
  settle(
    row: Pick<UserTokenRow, 'id' | 'version'>,
    outcome: RefreshedTokens | 'needs_sign_in' | 'failed',
  ): Promise<UserTokenRow | undefined>
  /** Adds to what the server wants beyond what was granted. */
  want(row: Pick<UserTokenRow, 'id'>, scopes: readonly string[]): Promise<void>
  /** Who signed in or out since the mark of an earlier answer, by {@link holderKey}, with some overlap; without a mark nobody. */
  changedSince(mark: Date | undefined, signal?: AbortSignal): Promise<ObjectChanges>
}
