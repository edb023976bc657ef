import { type Clock, GatewayError, type ServerOutcome } from '@toolgate/core'
import { healthStatusOf } from '../health-status.ts'
import { causeOf } from '../upstream/cause.ts'
import { isRefusedByCircuit } from '../upstream/failure-run.ts'
import type { AttemptFacts, Entry } from './entries.ts'
import type { Listing } from './listing.ts'
import { failedOutcome, outcome } from './outcome.ts'
import type { Place } from './places.ts'

/** Milliseconds for which a list is kept at least: one that may not be kept at all would be read at every turn. */
const shortestMs = 30_000

/** Milliseconds. */
export interface RefreshTiming {
  readonly ttlMs: number
  /** Instead of `ttlMs` after a failure; doubles with each further one, up to `maxRetryMs`. */
  readonly retryMs: number
  readonly maxRetryMs: number
}

/** What a reading came to: a list, or why there is none. */
export type Found = { readonly listing: Listing } | { readonly error: unknown }

export interface Reading {
  readonly place: Place
  readonly found: Found
  readonly previous: Entry | undefined
  readonly edition: number
  readonly latencyMs: number
}

export interface Judging {
  readonly clock: Clock
  readonly timing: RefreshTiming
  readonly random: () => number
}

/** The entry that a reading leaves: what it offers, what failed, and when it is tried again. Asks and keeps nothing. */
export function judge({ place, found, previous, edition, latencyMs }: Reading, judging: Judging): Entry {
  const { server, kind } = place
  const now = judging.clock.now()
  if ('listing' in found) {
    const ok = outcome(server, 'ok')
    const attempt = { at: now, latencyMs, since: sinceOf(previous, ok, now), failures: 0 }
    const dueAt = dueAfter(lifetimeOf(found.listing, judging.timing), judging)
    return { server, kind, outcome: ok, listing: found.listing, listedAt: now, attempt, dueAt, edition }
  }
  const failure = failedOutcome(server, found.error)
  const listing = previous?.listing
  const shown =
    listing === undefined ? { outcome: failure } : { outcome: { ...failure, status: 'stale' as const }, failure }
  const kept = { server, kind, listing, listedAt: previous?.listedAt, edition, ...shown }
  // Nobody was asked, so nothing is known better than before.
  if (isRefusedByCircuit(found.error)) {
    return { ...kept, attempt: previous?.attempt, dueAt: judging.clock.monotonic() + waitOf(found.error) }
  }
  const failures = (previous?.attempt?.failures ?? 0) + 1
  const attempt: AttemptFacts = {
    at: now,
    latencyMs,
    since: sinceOf(previous, failure, now),
    failures,
    cause: causeOf(found.error),
  }
  return { ...kept, attempt, dueAt: dueAfter(retryAfter(failures, judging.timing), judging) }
}

/** The server's own word, where that is sooner. */
function lifetimeOf({ caching }: Listing, { ttlMs }: RefreshTiming): number {
  return Math.min(ttlMs, Math.max(shortestMs, caching?.ttlMs ?? ttlMs))
}

function sinceOf(previous: Entry | undefined, current: ServerOutcome, now: number): number {
  if (previous?.attempt === undefined) return now
  const { outcome: shown, failure = shown, attempt } = previous
  return healthStatusOf(failure.status) === healthStatusOf(current.status) ? attempt.since : now
}

function retryAfter(failures: number, { retryMs, maxRetryMs }: RefreshTiming): number {
  return Math.min(maxRetryMs, retryMs * 2 ** Math.min(failures - 1, 30))
}

/** Give or take a tenth, so that what was read together is not read together again. */
function dueAfter(ms: number, { clock, random }: Judging): number {
  return clock.monotonic() + ms * (0.9 + 0.2 * random())
}

function waitOf(error: unknown): number {
  const seconds = error instanceof GatewayError ? error.details['retry_after_seconds'] : undefined
  return typeof seconds === 'number' ? seconds * 1000 : 0
}
