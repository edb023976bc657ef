import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { fingerprintOf, watchConfig } from './config-watch.ts'

let folder: string
let file: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'toolgate-watch-'))
  file = join(folder, 'config.yaml')
  writeFileSync(file, 'first')
})
afterEach(() => rmSync(folder, { recursive: true }))

async function watch(options: { dealtWith?: () => boolean; enabled?: () => boolean } = {}) {
  const { dealtWith = () => true, enabled = () => true } = options
  const clock = fakeClock()
  const watched = { changes: 0, looks: 0 }
  const stop = watchConfig({
    file,
    clock,
    seen: await fingerprintOf(file),
    enabled: () => {
      watched.looks += 1
      return enabled()
    },
    async changed() {
      watched.changes += 1
      return dealtWith()
    },
  })
  /** So many looks, each one finished: a look that found another still under way would not be one. */
  const looks = async (count: number) => {
    for (let look = 0; look < count; look += 1) {
      clock.advance(1_000)
      // A look asks the file system once; asked after it, this answers after it.
      for (let turn = 0; turn < 3; turn += 1) await fingerprintOf(file)
    }
  }
  return { clock, watched, looks, stop }
}

it('tells of a change once it has settled, and once only', async () => {
  const { watched, looks, stop } = await watch()
  await looks(3)
  expect(watched.changes).toBe(0)
  writeFileSync(file, 'written, ')
  await looks(1)
  writeFileSync(file, 'written, and written again')
  await looks(1)
  expect(watched.changes).toBe(0)
  await looks(5)
  expect(watched.changes).toBe(1)
  stop()
})

it('tells of a file that was replaced by another of the same size', async () => {
  const { watched, looks, stop } = await watch()
  writeFileSync(join(folder, 'draft'), 'other')
  renameSync(join(folder, 'draft'), file)
  await looks(3)
  expect(watched.changes).toBe(1)
  stop()
})

it('waits for a file whose folder is gone for a moment', async () => {
  const { watched, looks, stop } = await watch()
  renameSync(folder, `${folder}-away`)
  await looks(5)
  expect(watched.changes).toBe(0)
  renameSync(`${folder}-away`, folder)
  await looks(3)
  // It is the same file.
  expect(watched.changes).toBe(0)
  writeFileSync(file, 'and changed')
  await looks(3)
  expect(watched.changes).toBe(1)
  stop()
})

it('tries again after half a minute what could not be dealt with', async () => {
  let storeAnswers = false
  const { clock, watched, looks, stop } = await watch({ dealtWith: () => storeAnswers })
  writeFileSync(file, 'changed')
  await looks(10)
  expect(watched.changes).toBe(1)
  storeAnswers = true
  clock.advance(30_000)
  await vi.waitFor(() => expect(watched.changes).toBe(2))
  await looks(40)
  expect(watched.changes).toBe(2)
  stop()
})

it('finds what changed while it was switched off, and ends when it is told', async () => {
  let enabled = false
  const { clock, watched, looks, stop } = await watch({ enabled: () => enabled })
  writeFileSync(file, 'changed')
  await looks(5)
  expect(watched.changes).toBe(0)
  enabled = true
  await looks(3)
  expect(watched.changes).toBe(1)
  stop()
  expect(clock.pending).toBe(0)
})
