import { fakeClock } from '@toolgate/testing/fake-clock'
import { expect, it } from 'vitest'
import { createLanes } from './lanes.ts'

const bounds = { quick: 2, quickMs: 1_000, slow: 3 }
const settled = () => new Promise<void>((resolve) => setImmediate(resolve))

/** Jobs that end when they are told to. */
function jobs() {
  const clock = fakeClock()
  const lanes = createLanes(clock, bounds)
  const begun: string[] = []
  const ends = new Map<string, () => void>()
  const add = (key: string) =>
    lanes.add(key, () => {
      begun.push(key)
      const { promise, resolve } = Promise.withResolvers<void>()
      ends.set(key, resolve)
      return promise
    })
  const end = async (key: string) => {
    ends.get(key)?.()
    await settled()
  }
  return { clock, lanes, begun, add, end }
}

it('runs so many at once, the rest in order, and tells each waiter when its own has ended', async () => {
  const { begun, add, end } = jobs()
  const third = [add('a'), add('b'), add('c')][2]
  expect(begun).toEqual(['a', 'b'])
  await end('b')
  expect(begun).toEqual(['a', 'b', 'c'])
  await end('c')
  await third
})

it('lets those that hang delay the others no longer than a moment, and never by more than a bound at once', async () => {
  const { clock, begun, add, end } = jobs()
  for (const key of ['h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'good']) void add(key)
  clock.advance(bounds.quickMs)
  expect(begun).toEqual(['h1', 'h2', 'h3', 'h4'])
  clock.advance(bounds.quickMs)
  // Three hang in the slow lane, two in the quick one, where there is room no more.
  expect(begun).toEqual(['h1', 'h2', 'h3', 'h4', 'h5'])
  clock.advance(60_000)
  expect(begun).toHaveLength(5)
  await end('h1')
  expect(begun).toEqual(['h1', 'h2', 'h3', 'h4', 'h5', 'h6'])
  await end('h6')
  expect(begun.at(-1)).toBe('good')
})

it('begins nothing twice that waits or runs already', async () => {
  const { begun, add, end } = jobs()
  for (const key of ['a', 'a', 'b', 'c', 'c']) void add(key)
  await end('a')
  await end('b')
  expect(begun).toEqual(['a', 'b', 'c'])
  void add('a')
  expect(begun).toEqual(['a', 'b', 'c', 'a'])
})

it('is free again after work that fails, and ends for whoever waits when it is closed', async () => {
  const { clock, lanes, add, begun } = jobs()
  await lanes.add('fails', () => Promise.reject(new Error('no')))
  const waiting = [add('a'), add('b'), add('never')]
  lanes.close()
  await Promise.all(waiting)
  await add('later')
  expect(begun).toEqual(['a', 'b'])
  expect(clock.pending).toBe(0)
})
