/** Ten years: what a server says may be any number, and a date is none of all of them. */
const longestMs = 10 * 365 * 24 * 60 * 60_000

/** Milliseconds that a token lives, of what was said of it; undefined where nothing was. */
export function boundedLifetime(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.min(Math.max(ms, 0), longestMs)
}

/** Null where nothing was said. */
export function endOf(lifetimeMs: number | undefined, nowMs: number): Date | null {
  return lifetimeMs === undefined ? null : new Date(nowMs + lifetimeMs)
}
