import { Secret } from '@toolgate/core'
import { z } from 'zod'
import type { Sealer } from '../tokens/sealing.ts'
import { type TokenParty, tokenPartySchema } from './token-party.ts'
import { holderKey, type TokenHolder } from './user-token-store.ts'

/** What is in a row. */
export interface OpenTokens {
  readonly access: Secret
  readonly refresh: Secret | undefined
  /** Milliseconds from when it was got. Absent where the server did not say, or where it was kept before this was. */
  readonly lifetimeMs?: number | undefined
  /** Absent where nobody knows whom to ask for another. */
  readonly party: TokenParty | undefined
}

/** Tokens and texts of users, sealed for their holder: in the row of another they do not open. */
export interface TokenSeal {
  seal(tokens: OpenTokens, holder: TokenHolder): Promise<string>
  open(sealed: string, holder: TokenHolder): Promise<OpenTokens>
}

const contentSchema = z.object({
  access: z.string(),
  refresh: z.string().optional(),
  lifetimeMs: z.number().optional(),
  party: tokenPartySchema.optional(),
})

export function createTokenSeal(sealer: Pick<Sealer, 'seal' | 'open'>): TokenSeal {
  return {
    seal({ access, refresh, lifetimeMs, party }, holder) {
      const content = { access: access.reveal(), refresh: refresh?.reveal(), lifetimeMs, party }
      return sealer.seal(new Secret(JSON.stringify(content)), subjectOf(holder))
    },
    async open(sealed, holder) {
      const content: unknown = JSON.parse((await sealer.open(sealed, subjectOf(holder))).reveal())
      const { access, refresh, lifetimeMs, party } = contentSchema.parse(content)
      return {
        access: new Secret(access),
        refresh: refresh === undefined ? undefined : new Secret(refresh),
        lifetimeMs,
        party,
      }
    },
  }
}

function subjectOf(holder: TokenHolder): string {
  return `user_tokens:${holderKey(holder)}`
}
