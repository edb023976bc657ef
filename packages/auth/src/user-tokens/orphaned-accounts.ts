/**
 * What users have at servers that nobody declares any more, or that have become others: tokens, keys and variables. A server that
 * is missing from a configuration, or has another address there, may be a mistake of a minute, so they are kept a while and come
 * back with it; and then removed, for they may be good for years. Nothing else removes what its user does not.
 */
import { type Clock, type Logger, oneAtATime, type ServerDefinition, startDeadline } from '@toolgate/core'
import type { HeldKind } from './user-token-store.ts'

/** A server that is declared, in use or not. */
export interface DeclaredServer {
  readonly name: string
  /** What is kept for it has this identity, by kind; of other kinds it takes none. Undefined where it is not in use, and nobody can say. */
  readonly identities: ReadonlyMap<HeldKind, string> | undefined
}

/** By id. */
export type DeclaredServers = ReadonlyMap<string, DeclaredServer>

/** Implemented in `orphaned-accounts.postgres.ts`. Rejects with `STORE_UNAVAILABLE`. */
export interface OrphanStore {
  /**
   * Takes the mark from what is for one of these servers, and marks what is for none of them; removes what has been marked for
   * `keptMs`, of which each look adds the time since the one before it, by whatever gateway, and no more than `mostCountedMs`.
   * Answers what was marked and removed by this. All times are by the clock of the store.
   */
  look(
    declared: DeclaredServers,
    times: { readonly mostCountedMs: number; readonly keptMs: number },
    deadline: AbortSignal,
  ): Promise<{ readonly marked: readonly Orphans[]; readonly removed: readonly Orphans[] }>
}

/** Secrets of users at one server. */
export interface Orphans {
  readonly id: string
  /** As the server was called; undefined where nobody wrote that down. */
  readonly name: string | undefined
  readonly secrets: number
}

export interface OrphanedAccountsOptions {
  readonly store: OrphanStore
  readonly declared: () => DeclaredServers
  readonly clock: Clock
  readonly log: Logger
}

export interface OrphanedAccounts {
  start(): void
  /** After a change of servers: whoever made it is told soon. Nobody waits for it. */
  look(): void
  /** Gives up a look that is under way. Resolves when nothing is. */
  close(): Promise<void>
}

const lookEveryMs = 60 * 60_000
/**
 * Of the time between two looks. While no gateway runs nobody knows any server, and a mark of long ago may be by one that is gone:
 * neither makes a month.
 */
const mostCountedMs = 2 * lookEveryMs
const keptDays = 30
const keptMs = keptDays * 24 * 60 * 60_000
const deadlineMs = 20_000

export function createOrphanedAccounts({ store, declared, clock, log }: OrphanedAccountsOptions): OrphanedAccounts {
  const closing = new AbortController()
  let stop: (() => void) | undefined

  const say = (orphans: readonly Orphans[], servers: DeclaredServers, message: string) => {
    for (const { id, name, secrets } of orphans) {
      log.warn({ server: servers.get(id)?.name ?? name ?? id, secrets }, message)
    }
  }
  const lookNow = async (): Promise<void> => {
    const servers = declared()
    using deadline = startDeadline(clock, deadlineMs, closing.signal)
    const { marked, removed } = await store.look(servers, { mostCountedMs, keptMs }, deadline.signal)
    say(
      marked,
      servers,
      `Users have accounts, keys or variables at a server that is not declared any more, or has another address or client now. They are kept for ${keptDays} days, in case that it comes back.`,
    )
    say(removed, servers, `What users had at a server that has not been declared so for ${keptDays} days was removed.`)
  }
  const look = oneAtATime(async () => {
    if (closing.signal.aborted) return
    try {
      await lookNow()
    } catch (error) {
      if (closing.signal.aborted) return
      // Nobody waits for it, and the next look does what this one did not.
      log.warn({ err: error }, 'Accounts at servers that are gone could not be looked for.')
    }
  })

  return {
    start() {
      stop ??= clock.every(lookEveryMs, () => void look(undefined))
      void look(undefined)
    },
    look: () => void look(undefined),
    async close() {
      stop?.()
      closing.abort()
      // The one after whatever is under way, which looks at nothing.
      await look(undefined)
    },
  }
}

/** What users have at this server is kept for these. */
export function keptIdentities(server: ServerDefinition): ReadonlyMap<HeldKind, string> {
  const { auth, userVariables } = server
  const credential = (auth.userKey ?? auth.userTokens)?.identityOf(server)
  const variables = userVariables?.held?.identityOf(server)
  return new Map<HeldKind, string>([
    ...(credential === undefined ? [] : [['credential', credential] as const]),
    ...(variables === undefined ? [] : [['variables', variables] as const]),
  ])
}
