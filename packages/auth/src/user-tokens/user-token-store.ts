import type { UserTokenRow } from '@toolgate/db'

/** Whose tokens, at which server. */
export interface TokenHolder {
  readonly owner: string
  readonly serverId: string
}

export type NewUserTokens = Pick<
  UserTokenRow,
  'id' | 'owner' | 'serverId' | 'identity' | 'sealed' | 'scopes' | 'expiresAt' | 'refreshable' | 'connectedAt'
>

export type RefreshedTokens = Pick<UserTokenRow, 'sealed' | 'scopes' | 'expiresAt' | 'refreshable'>

/** Where users' tokens are kept, sealed. Rejects with `STORE_UNAVAILABLE`. Implemented in `user-token-store.postgres.ts`. */
export interface UserTokenStore {
  find(holder: TokenHolder): Promise<UserTokenRow | undefined>
  /** In the place of whatever was there. */
  save(tokens: NewUserTokens): Promise<UserTokenRow>
  /** False where there were none. */
  remove(holder: TokenHolder): Promise<boolean>
  /**
   * Takes the right to refresh these very tokens, for so many milliseconds; false where somebody else has it or they are not
   * there any more. A gateway that dies with it has it for so long and no longer, by the clock of the store: those of two
   * gateways may differ by more.
   */
  claim(row: Pick<UserTokenRow, 'id' | 'version'>, forMs: number): Promise<boolean>
  /** What came of a claim. Undefined where the row was replaced meanwhile: then that one counts. */
  settle(
    row: Pick<UserTokenRow, 'id' | 'version'>,
    outcome: RefreshedTokens | 'needs_sign_in' | 'failed',
  ): Promise<UserTokenRow | undefined>
}
