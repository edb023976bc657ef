import { expect, it } from 'vitest'
import { randomId } from './ids.ts'

it('ids are UUIDs of version 7 behind their kind, all different, and sort by time', async () => {
  const ids = Array.from({ length: 1_000 }, () => randomId('call'))
  expect(new Set(ids).size).toBe(ids.length)
  for (const id of ids) expect(id).toMatch(/^call_[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}$/)
  const [first = ''] = ids
  const timeOf = (id: string) => Number.parseInt(id.slice(5, 17), 16)
  expect(timeOf(ids.at(-1) ?? '')).toBeGreaterThanOrEqual(timeOf(first))
  expect(new Date(timeOf(first)).getUTCFullYear()).toBeGreaterThan(2025)
})
