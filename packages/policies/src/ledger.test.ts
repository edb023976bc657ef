import { setImmediate as turn } from 'node:timers/promises'
import { silentLogger } from '@toolgate/core'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { expect, it } from 'vitest'
import { exampleRow } from './example-row.fixture.ts'
import { createLedger, ledgerLimits } from './ledger.ts'
import type { LedgerRow } from './ledger-row.ts'

const limits = { ...ledgerLimits, bufferedRows: 5, batchRows: 2 }

/** A ledger on a store that answers as told; `written` are the ids of the batches it took. */
function start(mood: 'up' | 'down' | 'hangs' = 'up') {
  const store: { mood: string; written: string[][]; attempts: number } = { mood, written: [], attempts: 0 }
  const clock = fakeClock()
  const losses: string[] = []
  const error = (_: object, message: string) => void losses.push(message)
  const ledger = createLedger({
    clock,
    limits,
    log: { ...silentLogger, error },
    store: {
      async append(rows: readonly LedgerRow[]) {
        store.attempts += 1
        if (store.mood === 'down') throw new Error('down')
        if (store.mood === 'hangs') await new Promise(() => {})
        store.written.push(rows.map(({ id }) => id))
      },
    },
  })
  const append = (...ids: string[]) => {
    for (const id of ids) ledger.append(exampleRow({ id }))
  }
  return { store, clock, ledger, append, losses }
}

it('writes a full batch at once', async () => {
  const { store, append, ledger } = start()
  append('a', 'b')
  await turn()
  expect(store.written).toEqual([['a', 'b']])
  expect(ledger.buffered).toBe(0)
})

it('writes a lonely row after a second', async () => {
  const { store, clock, append } = start()
  append('a')
  clock.advance(999)
  await turn()
  expect(store.written).toEqual([])
  clock.advance(1)
  await turn()
  expect(store.written).toEqual([['a']])
  expect(clock.pending).toBe(0)
})

it('writes one batch at a time, in order', async () => {
  const { store, clock, append } = start()
  append('a', 'b', 'c', 'd', 'e')
  await turn()
  expect(store.written).toEqual([
    ['a', 'b'],
    ['c', 'd'],
  ])
  clock.advance(1_000)
  await turn()
  expect(store.written[2]).toEqual(['e'])
})

it('keeps rows while the store is down, asks it less and less often, and writes them when it is back', async () => {
  const { store, clock, append, ledger } = start('down')
  append('a', 'b')
  await turn()
  for (const [pauseMs, attempts] of [
    [500, 2],
    [1_000, 3],
    [2_000, 4],
  ] as const) {
    clock.advance(pauseMs - 1)
    await turn()
    expect(store.attempts).toBe(attempts - 1)
    clock.advance(1)
    await turn()
    expect(store.attempts).toBe(attempts)
  }
  store.mood = 'up'
  clock.advance(4_000)
  await turn()
  expect(store.written).toEqual([['a', 'b']])
  expect(ledger.dropped).toBe(0)
})

it('drops and counts what comes beyond the bound, says so once, and goes on afterwards', async () => {
  const { store, clock, append, ledger, losses } = start('down')
  append('a', 'b', 'c', 'd', 'e', 'f', 'g')
  expect(ledger).toMatchObject({ buffered: 5, dropped: 2 })
  expect(losses).toEqual(['ledger rows are dropped'])
  store.mood = 'up'
  await turn()
  clock.advance(500)
  await turn()
  append('h')
  await turn()
  expect(store.written.flat()).toEqual(['a', 'b', 'c', 'd', 'e', 'h'])
  expect(ledger.dropped).toBe(2)
})

it('gives up on a write without an answer and tries it again', async () => {
  const { store, clock, append } = start('hangs')
  append('a', 'b')
  await turn()
  store.mood = 'up'
  clock.advance(limits.writeTimeoutMs)
  await turn()
  clock.advance(limits.retryMs)
  await turn()
  expect(store.written).toEqual([['a', 'b']])
})

it('writes everything on close and takes nothing more', async () => {
  const { store, clock, append, ledger } = start()
  append('a', 'b', 'c')
  await ledger.close()
  expect(store.written).toEqual([['a', 'b'], ['c']])
  append('d')
  expect(ledger).toMatchObject({ buffered: 0, dropped: 1 })
  expect(clock.pending).toBe(0)
})

it('does not wait for the pause of a failed write when it closes', async () => {
  const { store, append, ledger } = start('down')
  append('a', 'b')
  await turn()
  store.mood = 'up'
  await ledger.close()
  expect(store.written).toEqual([['a', 'b']])
})

it.each(['down', 'hangs'] as const)(
  'closes within its bound on a store that %s, counting what is lost',
  async (mood) => {
    const { clock, append, ledger } = start(mood)
    append('a', 'b', 'c')
    const closed = ledger.close()
    await turn()
    clock.advance(limits.closeTimeoutMs)
    await closed
    expect(ledger).toMatchObject({ buffered: 0, dropped: 3 })
    expect(clock.pending).toBe(0)
  },
)

it('has nothing to do when it closes empty', async () => {
  const { store, ledger } = start()
  await ledger.close()
  expect(store.attempts).toBe(0)
})
