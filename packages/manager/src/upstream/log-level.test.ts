import { describe, expect, it } from 'vitest'
import { credentialOf, fakePool, serverOf } from '../fake-world.fixture.ts'
import { tellLogLevel } from './log-level.ts'

describe('the level that a client wants', () => {
  it('is told once, and again where the call that was to tell it was given up', async () => {
    const pool = fakePool({
      a: {
        capabilities: { logging: {} },
        answer: async ({ signal }) => {
          signal.throwIfAborted()
          return {}
        },
      },
    })
    const { signal } = new AbortController()
    const lent = await pool.acquire({
      server: serverOf({ id: 'a' }),
      credential: credentialOf(),
      caller: undefined,
      signal,
    })
    const lease = { ...lent, exclusive: true }
    const tell = (by: AbortSignal) => tellLogLevel(lease, { level: 'info', headers: new Map(), signal: by })
    await tell(AbortSignal.abort())
    for (const _ of [1, 2]) await tell(signal)
    expect(pool.sent.map(({ signal: by }) => by.aborted)).toEqual([true, false])
  })
})
