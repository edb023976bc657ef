/** LiteLLM's durations: `30s`, `30m`, `30h`, `30d`, `1w`, and `1mo`, which is a month of the calendar (UTC). */

export type Duration =
  | { readonly unit: 'milliseconds'; readonly amount: number }
  | { readonly unit: 'months'; readonly amount: number }

const millisecondsPer = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const
const lastInstant = Date.UTC(9999, 11, 31)

/** Undefined for anything that is not a positive whole number with one of the units. */
export function parseDuration(text: string): Duration | undefined {
  const [, digits, unit] = /^([1-9]\d{0,8})(mo|[smhdw])$/.exec(text) ?? []
  if (digits === undefined) return undefined
  const amount = Number(digits)
  if (unit === 'mo') return { unit: 'months', amount }
  const factor = Object.entries(millisecondsPer).find(([name]) => name === unit)?.[1]
  return factor === undefined ? undefined : { unit: 'milliseconds', amount: amount * factor }
}

/**
 * The instant (milliseconds since the epoch) a duration after another; a month ends on the last day of a shorter one.
 * Undefined beyond the year 9999, which no client can read.
 */
export function addDuration(fromMs: number, { unit, amount }: Duration): number | undefined {
  const end = unit === 'milliseconds' ? fromMs + amount : addMonths(new Date(fromMs), amount)
  return end <= lastInstant ? end : undefined
}

function addMonths(from: Date, months: number): number {
  const firstOfMonth = new Date(from)
  firstOfMonth.setUTCDate(1)
  firstOfMonth.setUTCMonth(from.getUTCMonth() + months)
  const days = new Date(Date.UTC(firstOfMonth.getUTCFullYear(), firstOfMonth.getUTCMonth() + 1, 0)).getUTCDate()
  return firstOfMonth.setUTCDate(Math.min(from.getUTCDate(), days))
}
