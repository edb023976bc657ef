import { describe, expect, it } from 'vitest'
import { addDuration, parseDuration } from './durations.ts'

const after = (text: string, from = '2026-01-31T12:00:00.000Z') => {
  const duration = parseDuration(text)
  const end = duration === undefined ? undefined : addDuration(Date.parse(from), duration)
  return end === undefined ? undefined : new Date(end).toISOString()
}

describe('a duration', () => {
  it.each([
    ['30s', '2026-01-31T12:00:30.000Z'],
    ['30m', '2026-01-31T12:30:00.000Z'],
    ['30h', '2026-02-01T18:00:00.000Z'],
    ['30d', '2026-03-02T12:00:00.000Z'],
    ['1w', '2026-02-07T12:00:00.000Z'],
    ['1mo', '2026-02-28T12:00:00.000Z'],
    ['13mo', '2027-02-28T12:00:00.000Z'],
  ])('of %s ends at %s', (text, end) => {
    expect(after(text)).toBe(end)
  })

  it.each(['', '0s', '-1d', '1.5h', '30', 'd', '30x', '1 d', '999999999mo', '99999999999s'])(
    'cannot be read from %j, or ends beyond what clients can read',
    (text) => {
      expect(after(text)).toBeUndefined()
    },
  )
})
