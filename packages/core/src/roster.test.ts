import { expect, it } from 'vitest'
import { Roster } from './roster.ts'

it('holds whoever has entered and not left, whatever the order', () => {
  const roster = new Roster<number>()
  const leaveOf = Array.from({ length: 20 }, (_, item) => roster.enter(item))
  for (const item of [19, 0, 7, 18, 8]) leaveOf[item]?.()
  // Twice is once, also where somebody else has the place by now.
  leaveOf[0]?.()
  expect(roster.values().toSorted((left, right) => left - right)).toEqual([
    1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 14, 15, 16, 17,
  ])
  expect([roster.size, roster.find((item) => item > 15), roster.find((item) => item > 17)]).toEqual([
    15,
    expect.any(Number),
    undefined,
  ])
  for (const leave of leaveOf) leave()
  expect(roster.values()).toEqual([])
})
