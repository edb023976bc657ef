import type { Clock } from '@toolgate/core'
import type { ManagedServer } from '../registry/managed-server.ts'
import type { Circuits } from '../upstream/circuit.ts'
import type { AttemptFacts, Entries, Entry } from './entries.ts'
import type { Lanes } from './lanes.ts'
import { outcome } from './outcome.ts'
import type { Places } from './places.ts'
import type { Refresh } from './refresh.ts'
import { withinDeadline } from '../upstream/within-deadline.ts'

/** Milliseconds that whoever asks how a server is waits at most; LiteLLM's bound. */
const answerMs = 10_000

/** Milliseconds in which an attempt answers everybody who asks. */
const freshMs = 1_000

/** The last attempt to read the service's list of tools, which is the health of its server. */
export interface Attempt extends AttemptFacts {
  readonly server: ManagedServer
  readonly outcome: Entry['outcome']
  /** What made it `stale`. */
  readonly failure?: Entry['failure']
}

export interface ProbeOptions {
  /** Asks also where its circuit is open: for administrators, who want to know how it is at this moment. */
  readonly despiteCircuit: boolean
}

export interface ProberOptions {
  readonly entries: Entries
  readonly places: Places
  readonly refresh: Refresh
  readonly lanes: Lanes
  readonly circuits: Pick<Circuits, 'status'>
  readonly clock: Clock
  /** Ends what runs for everybody. */
  readonly lifetime: AbortSignal
}

export type Probe = (server: ManagedServer, signal: AbortSignal, options: ProbeOptions) => Promise<Attempt>

/**
 * Asks one server now, within the lanes of the background: a hundred servers that hang are not asked all at once because
 * somebody looks. Whoever waits gets an answer within a bound; the attempt goes on and is there the next time.
 */
export function createProber({ entries, places, refresh, lanes, circuits, clock, lifetime }: ProberOptions): Probe {
  return async (server, signal, { despiteCircuit }) => {
    const place = places.shared(server, 'tools')
    const known = entries.get(place)
    const last = known && toAttempt(known)
    const ageMs = last === undefined ? Number.POSITIVE_INFINITY : Math.abs(clock.now() - last.at)
    if (last !== undefined && ageMs < freshMs) return last
    const isShut = circuits.status(server).state === 'open'
    if (last !== undefined && isShut && !despiteCircuit) return last
    const key = despiteCircuit ? `despite ${place.key}` : place.key
    const work = async () => {
      await lanes.add(key, () => refresh.run(place, lifetime, { despiteCircuit }))
      const entry = entries.get(place)
      return (entry && toAttempt(entry)) ?? neverTried(server, entry, clock.now())
    }
    return withinDeadline(work(), { clock, ms: answerMs, signal, late: () => late(server, last, clock.now()) })
  }
}

export function toAttempt({ server, outcome, failure, attempt }: Entry): Attempt | undefined {
  return attempt && { ...attempt, server, outcome, failure }
}

/** Refused before anybody was asked, or ended because the gateway closes. */
function neverTried(server: ManagedServer, entry: Entry | undefined, now: number): Attempt {
  const refused = entry?.outcome ?? outcome(server, 'unreachable', `MCP server "${server.name}" was not asked.`)
  return { server, outcome: refused, failure: entry?.failure, at: now, since: now, latencyMs: 0, failures: 0 }
}

/** Not kept. What is known to be wrong says more than that nothing was heard; that it was well does not. */
function late(server: ManagedServer, last: Attempt | undefined, now: number): Attempt {
  if (last !== undefined && last.failures > 0) return last
  const message = `MCP server "${server.name}" has not answered a probe within ${answerMs} ms.`
  return { server, outcome: outcome(server, 'timeout', message), at: now, since: now, latencyMs: answerMs, failures: 1 }
}
