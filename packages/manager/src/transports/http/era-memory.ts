import type { Clock, ProtocolEra, Scope } from '@toolgate/core'
import type { Handshake } from '../../upstream/connection.ts'

/** Milliseconds that a server is taken for what it was: one that learnt a new era is met again so long after. */
const rememberedMs = 60 * 60_000

/** Credentials whose server is remembered; the oldest is forgotten first, and asked again. */
const maxScopes = 256

/** What one server turned out to speak to one credential. */
export interface EraVerdict {
  /** What `server/discover` said; absent where it does not know it. */
  readonly modern: Handshake | undefined
  /** False once it refused `initialize`. */
  readonly legacy: boolean
  /** Milliseconds since the epoch. */
  readonly since: number
}

/** What is known of the eras of one server: per credential, because who is let through to what may depend on it. */
export interface EraMemory {
  recall(scope: Scope): EraVerdict | undefined
  note(scope: Scope, verdict: Omit<EraVerdict, 'since'>): void
  forget(scope: Scope): void
  /** Of the credential that was met last. */
  readonly latest: EraVerdict | undefined
}

export function createEraMemory(clock: Clock): EraMemory {
  const verdicts = new Map<string, EraVerdict & { readonly until: number }>()
  let latest: EraVerdict | undefined

  return {
    recall(scope) {
      const known = verdicts.get(keyOf(scope))
      return known !== undefined && clock.monotonic() < known.until ? known : undefined
    },
    note(scope, { modern, legacy }) {
      const key = keyOf(scope)
      const before = verdicts.get(key)
      const same = before !== undefined && eraOf(before) === eraOf({ modern }) && before.legacy === legacy
      const verdict = { modern, legacy, since: same ? before.since : clock.now() }
      verdicts.delete(key)
      verdicts.set(key, { ...verdict, until: clock.monotonic() + rememberedMs })
      latest = verdict
      const [oldest] = verdicts.keys()
      if (verdicts.size > maxScopes && oldest !== undefined) verdicts.delete(oldest)
    },
    forget: (scope) => void verdicts.delete(keyOf(scope)),
    get latest() {
      return latest
    },
  }
}

/** The newest era of a server. */
export function eraOf({ modern }: Pick<EraVerdict, 'modern'>): ProtocolEra {
  return modern === undefined ? 'legacy' : 'modern'
}

function keyOf(scope: Scope): string {
  return scope.kind === 'shared' ? '' : `of ${scope.holder}`
}
