/**
 * What users have at servers that nobody declares any more, or that have become others: tokens, keys and variables. A server that
 * is missing from a configuration, or has another address there, may be a mistake of a minute, so they are kept a while and come
 * back with it; and then removed, for they may be good for years. Nothing else removes what its user does not.
 */
import { type Clock, type Logger, oneAtATime, type ServerDefinition } from '@toolgate/core'
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
  /** Marks what is for none of these servers, and takes the mark from what is for one of them. Answers what was marked by this. */
  mark(declared: DeclaredServers): Promise<OrphansByServer>
  /** Removes what has been marked for so many milliseconds, by the clock of the store, and is for none of these servers. */
  remove(declared: DeclaredServers, afterMs: number): Promise<OrphansByServer>
}

/** Server id → how many users' secrets. */
export type OrphansByServer = ReadonlyMap<string, number>

export interface OrphanedAccountsOptions {
  readonly store: OrphanStore
  readonly declared: () => DeclaredServers
  readonly clock: Clock
  readonly log: Logger
}

export interface OrphanedAccounts {
  start(): void
  /** After a change of servers: whoever made it is told soon. Resolves when that was seen to, or could not be. */
  look(): Promise<void>
  /** Resolves when nothing is under way. */
  close(): Promise<void>
}

const lookEveryMs = 60 * 60_000
const keptDays = 30
/** Names of servers that are gone, for the log. */
const mostNames = 1_000

export function createOrphanedAccounts({ store, declared, clock, log }: OrphanedAccountsOptions): OrphanedAccounts {
  const names = new Map<string, string>()
  let stop: (() => void) | undefined

  const say = (orphans: OrphansByServer, message: string) => {
    for (const [id, secrets] of orphans) log.warn({ server: names.get(id) ?? id, secrets }, message)
  }
  const lookNow = async (): Promise<void> => {
    const servers = declared()
    for (const [id, { name }] of servers) if (names.size < mostNames) names.set(id, name)
    say(
      await store.mark(servers),
      `Users have accounts, keys or variables at a server that is not declared any more, or has another address or client now. They are kept for ${keptDays} days, in case that it comes back.`,
    )
    say(
      await store.remove(servers, keptDays * 24 * 60 * 60_000),
      `What users had at a server that has not been declared so for ${keptDays} days was removed.`,
    )
  }
  const look = oneAtATime(async () => {
    try {
      await lookNow()
    } catch (error) {
      // Nobody waits for it, and the next look does what this one did not.
      log.warn({ err: error }, 'Accounts at servers that are gone could not be looked for.')
    }
  })

  return {
    start() {
      stop ??= clock.every(lookEveryMs, () => void look(undefined))
      void look(undefined)
    },
    look: () => look(undefined),
    async close() {
      stop?.()
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
