import { type Clock, GatewayError } from '@toolgate/core'
import type { ManagedServer } from '../registry/managed-server.ts'
import { FailureRun } from './failure-run.ts'

/**
 * Spares callers the wait for a server that cannot be reached. After a run of failures to reach it the circuit of that
 * server is open: whoever asks is refused at once and told when the next attempt is. Then one attempt is let through; the
 * others are still refused until it is known what came of it.
 *
 * Only failures to connect and to shake hands count. A server that refuses a credential, answers with an error or takes too
 * long for a call was reached, and one caller's broken credential must not close a server to the others.
 */
export interface Circuits {
  /** Throws `UPSTREAM_UNREACHABLE` where the circuit is open, unless `despite`. To be left, whatever happens. */
  enter(server: ManagedServer, options?: EnterOptions): Passage
  status(server: Served): CircuitStatus
  /** Forgets what belongs to other revisions of this server, or to it altogether. */
  retire(serverId: string, currentRevision?: string): void
  /** Hears of every server that is reached, and of each circuit that opens or closes. Must not throw. */
  watch(watcher: CircuitWatcher): void
}

export interface EnterOptions {
  readonly despite?: boolean | undefined
  /** Who asks; absent for discovery. Whose own attempt has failed leaves the next one to others for a while. */
  readonly principal?: string | undefined
}

/** One use of a server: says what came of it, as often as something does. */
export interface Passage extends Disposable {
  reached(): void
  /** `witness`: the principal whose failure it may be, unless no socket came about; absent where it is nobody's. */
  failed(error: unknown, witness: string | undefined): void
}

export interface CircuitStatus {
  readonly state: CircuitState
  /** Milliseconds since the epoch, of the failure that opened it; absent while it is closed. */
  readonly since?: number
  /** What the last failure said; absent while it is closed. */
  readonly message?: string
  /** Its cause in the system's word, for operators alone. */
  readonly cause?: string | undefined
}

export type CircuitState = 'closed' | 'open' | 'half_open'

export interface CircuitWatcher {
  reached?(server: ManagedServer): void
  /** Also each time it stays open after an attempt; `retryMs` is how long everybody is refused. */
  opened?(server: ManagedServer, retryMs: number): void
  /** It was open and the server was reached. */
  closed?(server: ManagedServer): void
}

export interface CircuitBounds {
  /** Failures in a row that open a circuit. */
  readonly failures: number
  /** Milliseconds until the first attempt; doubles with each one that fails, up to `maxCoolDownMs`. */
  readonly coolDownMs: number
  readonly maxCoolDownMs: number
  /** Milliseconds after which an attempt that is still under way no longer holds up the next one. */
  readonly trialMs: number
  /** Servers with failures that are remembered; the one that failed first is forgotten first. */
  readonly remembered: number
}

export const defaultCircuitBounds: CircuitBounds = {
  failures: 5,
  coolDownMs: 5_000,
  maxCoolDownMs: 60_000,
  trialMs: 10_000,
  remembered: 4_096,
}

type Served = Pick<ManagedServer, 'id' | 'revision'>

interface CircuitsOptions {
  readonly clock: Clock
  readonly bounds?: CircuitBounds
}

/** A server without an entry is closed. */
interface Entry extends Served {
  readonly run: FailureRun
}

export function createCircuits({ clock, bounds = defaultCircuitBounds }: CircuitsOptions): Circuits {
  const entries = new Map<string, Entry>()
  const watchers: CircuitWatcher[] = []

  // Mostly all are closed, and then no key is made.
  const runOf = (server: Served) => (entries.size === 0 ? undefined : entries.get(keyOf(server))?.run)

  const beginRun = ({ id, revision }: Served): FailureRun => {
    const [oldest] = entries.keys()
    if (entries.size >= bounds.remembered && oldest !== undefined) entries.delete(oldest)
    const run = new FailureRun(clock, bounds)
    entries.set(keyOf({ id, revision }), { id, revision, run })
    return run
  }

  return {
    enter(server, { despite = false, principal } = {}) {
      const known = runOf(server)
      const trial = despite ? undefined : known?.startTrial(server.name, principal)
      return {
        reached() {
          const wasOpen = runOf(server)?.isOpen === true
          if (entries.size > 0) entries.delete(keyOf(server))
          for (const watcher of watchers) {
            watcher.reached?.(server)
            if (wasOpen) watcher.closed?.(server)
          }
        },
        failed(error, witness) {
          if (!isFailureToReach(error)) return
          const run = runOf(server) ?? beginRun(server)
          const coolDownMs = run.count({ error, witness, trial })
          if (coolDownMs === undefined) return
          for (const watcher of watchers) watcher.opened?.(server, coolDownMs)
        },
        [Symbol.dispose]() {
          if (trial !== undefined) known?.endTrial(trial)
        },
      }
    },
    status: (server) => runOf(server)?.status ?? { state: 'closed' },
    retire(serverId, currentRevision) {
      for (const [key, { id, revision }] of entries) {
        if (id === serverId && revision !== currentRevision) entries.delete(key)
      }
    },
    watch: (watcher) => void watchers.push(watcher),
  }
}

function keyOf({ id, revision }: Served): string {
  return `${revision} ${id}`
}

function isFailureToReach(error: unknown): error is GatewayError {
  if (!(error instanceof GatewayError)) return false
  const { stage, restart } = error.details
  // The start of a child that was put off: nobody was asked.
  if (restart === 'delayed') return false
  const reaching = stage === 'connect' || stage === 'handshake'
  return reaching && (error.code === 'UPSTREAM_UNREACHABLE' || error.code === 'UPSTREAM_TIMEOUT')
}

const reachedCodes = new Set(['UPSTREAM_ERROR', 'UPSTREAM_CREDENTIAL_REJECTED', 'UPSTREAM_PROTOCOL'])

/** Whether a failure shows that the server was reached all the same. */
export function showsItself(error: unknown): boolean {
  return error instanceof GatewayError && reachedCodes.has(error.code)
}
