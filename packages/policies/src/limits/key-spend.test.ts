import { GatewayError, silentLogger } from '@toolgate/core'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { describe, expect, it, vi } from 'vitest'
import { createKeySpend, type SpendStore } from './key-spend.ts'

const signal = new AbortController().signal
const unavailable = () => Promise.reject(new GatewayError('STORE_UNAVAILABLE', 'away'))

function setup(store: Partial<SpendStore> = {}) {
  const clock = fakeClock()
  const written: [string, number][][] = []
  const spend = createKeySpend({
    clock,
    log: silentLogger,
    store: {
      add: async (spent) => void written.push([...spent]),
      budgetOf: async () => ({ spent: 1, most: 2 }),
      ...store,
    },
  })
  return { clock, spend, written }
}

describe('what keys spend', () => {
  it('is written in portions, one sum for each key', async () => {
    const { clock, spend, written } = setup()
    spend.add('a', 1)
    spend.add('b', 2)
    spend.add('a', 0.5)
    spend.add('a', 0)
    clock.advance(1_000)
    await vi.waitFor(() =>
      expect(written).toEqual([
        [
          ['a', 1.5],
          ['b', 2],
        ],
      ]),
    )
    expect(clock.pending).toBe(0)
  })

  it('is written later where the store is away, and when the gateway stops', async () => {
    let away = true
    const sums: number[] = []
    const { clock, spend } = setup({
      add: (spent) => (away ? unavailable() : Promise.resolve(void sums.push(spent.get('a') ?? 0))),
    })
    spend.add('a', 1)
    clock.advance(1_000)
    await vi.waitFor(() => expect(clock.pending).toBe(1))
    away = false
    spend.add('a', 2)
    await spend.close()
    expect(sums).toEqual([3])
    expect(clock.pending).toBe(0)
  })
})

describe('a budget', () => {
  it('counts what is not written yet', async () => {
    const { spend } = setup()
    await expect(spend.requireBudget('a', signal)).resolves.toBeUndefined()
    spend.add('a', 1)
    await expect(spend.requireBudget('a', signal)).rejects.toMatchObject({
      code: 'BUDGET_EXCEEDED',
      message: 'Budget has been exceeded! Current cost: 2, Max budget: 2',
    })
    await expect(spend.requireBudget('b', signal)).resolves.toBeUndefined()
  })

  it('that cannot be read lets nothing pass', async () => {
    const { spend } = setup({ budgetOf: unavailable })
    await expect(spend.requireBudget('a', signal)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  })
})
