import { silentLogger } from '@toolgate/core'
import { expect, it } from 'vitest'
import type { RecordStore } from './record-store.ts'
import { createStoredTurnRecords } from './stored-turn-records.ts'
import { createTurnRecords } from './turn-records.ts'

it('the turn of another process is one list for all of its calls, as one of this process is', async () => {
  const names = ['a', 'b'].map((digit) => `call_${digit.repeat(32)}`)
  const store: RecordStore = {
    save: async () => {},
    find: async () => [{ names, value: [{ role: 'tool', content: 'x' }] }],
    claim: async () => new Set(),
    remove: async () => false,
  }
  const records = createStoredTurnRecords({ memory: createTurnRecords(), store, log: silentLogger })
  const found = [...(await records.find('alice', names)).values()]
  expect(found).toHaveLength(2)
  expect(found[0]).toBe(found[1])
})
