import { type Clock, GatewayError } from '@toolgate/core'
import type { CircuitBounds, CircuitStatus } from './circuit.ts'
import { causeOf } from './cause.ts'
import { isSocketFailure } from './failure.ts'

/** One attempt that an open circuit let through. */
export type Trial = symbol

interface Opening {
  /** Milliseconds since the epoch. */
  readonly since: number
  readonly coolDownMs: number
  /** Of the monotonic clock. */
  readonly retryAt: number
  /** The attempt under way has the only passage, until then (of the monotonic clock). */
  trial: { readonly id: Trial; readonly until: number } | undefined
}

export interface CountedFailure {
  readonly error: GatewayError
  /** The principal whose failure it may be, unless no socket came about; absent where it is nobody's. */
  readonly witness: string | undefined
  readonly trial: Trial | undefined
}

/** Principals that are known to have failed an attempt; the first is forgotten first. */
const maxLosers = 64

/** A server that has failed and was not reached since: how often, and from when on it is not asked. */
export class FailureRun {
  readonly #clock: Clock
  readonly #bounds: CircuitBounds
  readonly #witnesses = new Set<string>()
  readonly #losers = new Set<string>()
  #failures = 0
  #message = ''
  #cause: string | undefined
  #opening: Opening | undefined

  constructor(clock: Clock, bounds: CircuitBounds) {
    this.#clock = clock
    this.#bounds = bounds
  }

  get isOpen(): boolean {
    return this.#opening !== undefined
  }

  get status(): CircuitStatus {
    if (this.#opening === undefined) return { state: 'closed' }
    const { since, retryAt } = this.#opening
    const state = this.#clock.monotonic() < retryAt ? 'open' : 'half_open'
    return { state, since, message: this.#message, cause: this.#cause }
  }

  /**
   * The one passage where its time has come; undefined where everybody passes. Throws where nobody does. A principal whose
   * attempt failed waits twice as long: whoever asks without pause would win, and fail, every one.
   */
  startTrial(server: string, principal: string | undefined): Trial | undefined {
    if (this.#opening === undefined) return undefined
    const { coolDownMs, retryAt: firstAt, trial } = this.#opening
    const retryAt = principal !== undefined && this.#losers.has(principal) ? firstAt + coolDownMs : firstAt
    const now = this.#clock.monotonic()
    const freeAt = now < retryAt ? retryAt : (trial?.until ?? now)
    if (now < freeAt)
      throw refused(server, { message: this.#message, since: this.#opening.since, waitMs: freeAt - now })
    const id: Trial = Symbol(server)
    this.#opening.trial = { id, until: now + this.#bounds.trialMs }
    return id
  }

  /** An attempt that proved nothing leaves its place to the next one. */
  endTrial(trial: Trial): void {
    if (this.#opening?.trial?.id === trial) this.#opening.trial = undefined
  }

  /** Answers how long nobody is let through, where this failure opened the circuit or kept it open. */
  count({ error, witness, trial }: CountedFailure): number | undefined {
    this.#message = error.message
    this.#cause = causeOf(error)
    const owner = isSocketFailure(error.cause) ? undefined : witness
    if (this.#opening !== undefined) {
      // What was let through in spite of the circuit moves nothing: who looks often must not keep the others out.
      if (trial === undefined || this.#opening.trial?.id !== trial) return undefined
      if (owner !== undefined) this.#remember(owner)
      return this.#open()
    }
    if (owner !== undefined) {
      if (this.#witnesses.has(owner)) return undefined
      this.#witnesses.add(owner)
    }
    this.#failures += 1
    return this.#failures < this.#bounds.failures ? undefined : this.#open()
  }

  #remember(loser: string): void {
    const [oldest] = this.#losers
    if (this.#losers.size >= maxLosers && oldest !== undefined) this.#losers.delete(oldest)
    this.#losers.add(loser)
  }

  #open(): number {
    const { coolDownMs: first, maxCoolDownMs } = this.#bounds
    const coolDownMs = this.#opening === undefined ? first : Math.min(maxCoolDownMs, 2 * this.#opening.coolDownMs)
    const since = this.#opening?.since ?? this.#clock.now()
    this.#opening = { since, coolDownMs, retryAt: this.#clock.monotonic() + coolDownMs, trial: undefined }
    return coolDownMs
  }
}

function refused(
  server: string,
  { message, since, waitMs }: { message: string; since: number; waitMs: number },
): GatewayError {
  const seconds = Math.max(1, Math.ceil(waitMs / 1000))
  const sinceText = new Date(since).toISOString()
  return new GatewayError(
    'UPSTREAM_UNREACHABLE',
    `MCP server "${server}" has not been reached since ${sinceText} and was not asked; the next attempt is in ${seconds} s. Last: ${message}`,
    { details: { server, stage: 'connect', circuit: 'open', since: sinceText, retry_after_seconds: seconds } },
  )
}

/** Whether a failure is this refusal: then nobody was asked. */
export function isRefusedByCircuit(error: unknown): boolean {
  return error instanceof GatewayError && error.details['circuit'] === 'open'
}
