import { expect, it } from 'vitest'
import { oneAtATime } from './one-at-a-time.ts'

/** Work that ends when told; `runs` are the arguments it was begun with. */
function heldWork() {
  const runs: { readonly argument: string; readonly end: PromiseWithResolvers<string> }[] = []
  const run = oneAtATime((argument: string) => {
    const end = Promise.withResolvers<string>()
    runs.push({ argument, end })
    return end.promise
  })
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve))
  return { runs, run, turn }
}

it('runs one, and gives everybody who asks meanwhile the one after it', async () => {
  const { runs, run, turn } = heldWork()
  const first = run('first')
  await turn()
  const later = ['second', 'third', 'fourth'].map(run)
  await turn()
  expect(runs.map(({ argument }) => argument)).toEqual(['first'])
  runs[0]?.end.resolve('a')
  expect(await first).toBe('a')
  await turn()
  expect(runs.map(({ argument }) => argument)).toEqual(['first', 'second'])
  runs[1]?.end.resolve('b')
  expect(await Promise.all(later)).toEqual(['b', 'b', 'b'])
})

it('goes on after a failure, which only those hear who asked for that run', async () => {
  const { runs, run, turn } = heldWork()
  const first = run('first')
  await turn()
  const second = run('second')
  runs[0]?.end.reject(new Error('no'))
  await expect(first).rejects.toThrow('no')
  await turn()
  runs[1]?.end.resolve('fine')
  expect(await second).toBe('fine')
})
