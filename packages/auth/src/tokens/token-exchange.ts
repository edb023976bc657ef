/**
 * Tokens of callers, exchanged for ones that a server takes: on behalf of whoever calls, and at an endpoint that the operator names. What
 * the caller brought goes there and nowhere else; what comes back is that caller's alone.
 */
import { type Caller, createCallerScope, type PresentedCredential, type PresentRequest, Secret } from '@toolgate/core'
import { createTokenMint, type DeclaredGrant, type TokenMintOptions } from './token-mint.ts'
import type { Subject } from './token-endpoint.ts'

export interface TokenExchange {
  of(exchange: DeclaredExchange): ExchangeSource
}

/** Undefined where the caller brings no token that could be exchanged. Rejects as `TokenMint` does. */
export type ExchangeSource = (request: PresentRequest) => Promise<PresentedCredential | undefined>

export interface DeclaredExchange {
  readonly grant: DeclaredGrant
  /** How the endpoint wants to be asked. */
  readonly subjectOf: (token: Secret) => Subject
}

export function createTokenExchange(options: TokenMintOptions): TokenExchange {
  const mint = createTokenMint(options)
  const scopeOf = createCallerScope()
  return {
    of:
      ({ grant, subjectOf }) =>
      async ({ server, caller, signal }) => {
        const token = caller && bearerOf(caller)
        if (caller === undefined || token === undefined) return undefined
        const minted = await mint.token(grant, { server, signal, subject: subjectOf(token) })
        return { type: 'token_exchange', scope: scopeOf(caller, [token.reveal()]), ...minted }
      },
  }
}

/** What the caller brought beside the gateway's key, else the identity provider's token that it was admitted with. */
export function bearerOf({ forwarded, vouchedBy }: Caller): Secret | undefined {
  const [, token] = /^Bearer +([\x21-\x7e]+)$/i.exec(forwarded.authorization?.reveal() ?? '') ?? []
  return token === undefined ? vouchedBy : new Secret(token)
}
