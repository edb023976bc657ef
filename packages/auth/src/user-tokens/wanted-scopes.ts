/**
 * Step-up (RFC 6750 §3.1): what a server wants beyond what an account was granted. It is asked for at the next sign-in, and nowhere
 * before: the account goes on for everything else.
 */
import { extractWWWAuthenticateParams } from '@modelcontextprotocol/client'
import type { Logger } from '@toolgate/core'
import type { UserTokenRow } from '@toolgate/db'
import { LRUCache } from 'lru-cache'
import { mostWantedScopes, type UserTokenStore } from './user-token-store.ts'

export interface WantedScopes {
  /** A request with these tokens was refused with this `WWW-Authenticate`. */
  note(row: UserTokenRow, challenge: string | undefined): void
  /** To be asked for as well when whose these tokens are signs in anew: what they were granted, and what was wanted beyond it. */
  beyond(row: UserTokenRow): readonly string[]
}

export interface WantedScopesOptions {
  readonly store: Pick<UserTokenStore, 'want'>
  readonly log: Logger
  /** As in `UserTokenMemory`. */
  readonly expect: (work: Promise<unknown>) => void
}

/** RFC 6749 §3.3. */
const scopeToken = /^[\x21\x23-\x5b\x5d-\x7e]{1,200}$/
const mostRemembered = 5_000

export function createWantedScopes({ store, log, expect }: WantedScopesOptions): WantedScopes {
  /** What is not in the row yet, or not in the row that is at hand. */
  const noted = new LRUCache<string, readonly string[]>({ max: mostRemembered })
  const wantedBy = (row: UserTokenRow) => union(row.wantedScopes ?? [], noted.get(row.id) ?? [])

  return {
    note(row, challenge) {
      const known = wantedBy(row)
      const wanted = union(known, scopesIn(challenge))
      // Each call may be refused so, and one of them is enough.
      if (wanted.length === known.length) return
      noted.set(row.id, wanted)
      const keeping = store.want(row, wanted).catch((error: unknown) => {
        log.warn(
          { err: error },
          'Scopes that a server wants of a user could not be kept; this gateway alone knows them.',
        )
      })
      expect(keeping)
    },
    beyond(row) {
      const wanted = wantedBy(row)
      return wanted.length === 0 ? [] : union(row.scopes, wanted)
    },
  }
}

function scopesIn(challenge: string | undefined): readonly string[] {
  if (challenge === undefined) return []
  const response = new Response(null, { status: 401, headers: { 'www-authenticate': challenge } })
  const { error, scope } = extractWWWAuthenticateParams(response)
  return error === 'insufficient_scope' && scope !== undefined
    ? scope.split(' ').filter((one) => scopeToken.test(one))
    : []
}

function union(some: readonly string[], more: readonly string[]): readonly string[] {
  return [...new Set([...some, ...more])].slice(0, mostWantedScopes)
}
