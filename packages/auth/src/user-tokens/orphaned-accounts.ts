/**
 * What users have at servers that nobody declares any more: tokens, keys and variables. A server that is missing from a
 * configuration may be a mistake of a minute, so they are kept a while and come back with it; and then removed, for they may be
 * good for years.
 */
import type { Clock, Logger } from '@toolgate/core'

/** Implemented in `orphaned-accounts.postgres.ts`. Rejects with `STORE_UNAVAILABLE`. */
export interface OrphanStore {
  /** Marks what is at none of these servers, and takes the mark from what is at one of them. Answers what was marked by this. */
  mark(knownIds: readonly string[]): Promise<OrphansByServer>
  /** Removes what has been marked for so many milliseconds, by the clock of the store, and is at none of these servers. */
  remove(knownIds: readonly string[], afterMs: number): Promise<OrphansByServer>
}

/** Server id → how many users' secrets. */
export type OrphansByServer = ReadonlyMap<string, number>

export interface OrphanedAccountsOptions {
  readonly store: OrphanStore
  /** Every server that is declared, in use or not: id → name. */
  readonly known: () => ReadonlyMap<string, string>
  readonly clock: Clock
  readonly log: Logger
}

export interface OrphanedAccounts {
  start(): void
  /** After a change of servers: whoever made it is told at once. Resolves when that was seen to, or could not be. */
  look(): Promise<void>
  /** Resolves when nothing is under way. */
  close(): Promise<void>
}

const lookEveryMs = 60 * 60_000
const keptDays = 30
/** Names of servers that are gone, for the log. */
const mostNames = 1_000

export function createOrphanedAccounts({ store, known, clock, log }: OrphanedAccountsOptions): OrphanedAccounts {
  const names = new Map<string, string>()
  let stop: (() => void) | undefined
  let running: Promise<void> | undefined
  let isWanted = false

  const say = (orphans: OrphansByServer, message: string) => {
    for (const [id, secrets] of orphans) log.warn({ server: names.get(id) ?? id, secrets }, message)
  }
  const lookNow = async (): Promise<void> => {
    const servers = known()
    for (const [id, name] of servers) if (names.size < mostNames) names.set(id, name)
    const ids = [...servers.keys()]
    say(
      await store.mark(ids),
      `Users have accounts, keys or variables at a server that is not declared any more. They are kept for ${keptDays} days, in case that it comes back.`,
    )
    say(
      await store.remove(ids, keptDays * 24 * 60 * 60_000),
      `What users had at a server that has not been declared for ${keptDays} days was removed.`,
    )
  }
  const run = async (): Promise<void> => {
    while (isWanted) {
      isWanted = false
      try {
        await lookNow()
      } catch (error) {
        // Nobody waits for it, and the next look does what this one did not.
        log.warn({ err: error }, 'Accounts at servers that are gone could not be looked for.')
      }
    }
  }
  const look = (): Promise<void> => {
    isWanted = true
    running ??= run().finally(() => {
      running = undefined
    })
    return running
  }

  return {
    start() {
      stop ??= clock.every(lookEveryMs, () => void look())
      void look()
    },
    look,
    async close() {
      stop?.()
      await running
    },
  }
}
