import { type PresentedCredential, sharedScope } from '@toolgate/core'
import { createTokenMint, type DeclaredGrant, type TokenMintOptions, type TokenWanted } from './token-mint.ts'

/** The gateway's own access tokens (OAuth client credentials, RFC 6749 §4.4), shared by everybody. */
export interface ClientCredentials {
  of(grant: DeclaredGrant): TokenSource
}

/** Rejects as `TokenMint` does. */
export type TokenSource = (request: Pick<TokenWanted, 'server' | 'signal'>) => Promise<PresentedCredential>

/** Makes the one cache of such tokens of the process. */
export function createClientCredentials(options: TokenMintOptions): ClientCredentials {
  const mint = createTokenMint(options)
  return {
    of:
      (grant) =>
      async ({ server, signal }) => ({
        type: 'client_credentials',
        scope: sharedScope,
        ...(await mint.token(grant, { server, signal })),
      }),
  }
}
