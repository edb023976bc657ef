import { type Peer, randomId } from '@toolgate/core'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { describe, expect, it, vi } from 'vitest'
import type { Exchanged } from './exchange.ts'
import { createParkedCalls, type Round } from './parked-calls.ts'
import type { RoundMessage } from './round-messages.ts'
import { createRoundsForOthers } from './rounds-for-others.ts'

const silent: Peer = { capabilities: {}, notify() {}, request: () => new Promise(() => {}) }

describe('a round that is gone on with for another gateway', () => {
  it('is told in bounded number what its server says, and its end in any case', async () => {
    const clock = fakeClock()
    const parked = createParkedCalls<Exchanged>({ clock, newId: randomId })
    const round: Round = { peer: silent, signal: new AbortController().signal, progressToken: undefined }
    const call = parked.begin('ann', {
      round,
      async work(peer) {
        await peer.request({ method: 'roots/list' }, { signal: round.signal })
        for (let step = 1; step <= 10_000; step += 1) {
          peer.notify({ jsonrpc: '2.0', method: 'notifications/message', params: { data: step } })
        }
        return { result: { fine: true }, era: 'legacy' }
      },
    })
    expect(await call.next(round)).toMatchObject({ requests: expect.any(Map) })
    parked.park(call)
    const slow = Promise.withResolvers<void>()
    const said: RoundMessage[] = []
    const say = async (message: RoundMessage) => {
      await slow.promise
      said.push(message)
    }
    const unfinished = { take: () => undefined }
    const others = createRoundsForOthers({ parked, unfinished, clock, say })
    const of = { ask: 'round_1', parked: call.id, principalId: 'ann', capabilities: {} }
    const going = others.goOn({ kind: 'round', ...of, responses: { 'input-1': { roots: [] } } })
    await vi.waitFor(() => expect(clock.pending).toBe(0))
    slow.resolve()
    await going
    expect(said[0]).toMatchObject({ kind: 'taken' })
    expect(said.at(-1)).toMatchObject({ kind: 'result', result: { fine: true } })
    expect(said.length).toBeGreaterThan(100)
    expect(said.length).toBeLessThan(1_100)
  })
})
