import { randomId, silentLogger } from '@toolgate/core'
import { describeOnStores } from '@toolgate/testing/database'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { describe, expect, it, vi } from 'vitest'
import { Session } from './session.ts'
import { createPostgresSessionStore } from './session-store.postgres.ts'
import type { SessionStore, StreamEvent } from './session-store.ts'
import { createStreams } from './streams.ts'

/** A busy machine takes its time to write. */
const patience = 10_000

function streamsOn(store: Pick<SessionStore, 'appendEvents' | 'eventsAfter'>) {
  const clock = fakeClock()
  return createStreams({ store, clock, log: silentLogger, newId: randomId, announce: async () => {} })
}

function sessionOf(): Session {
  const said = { client: undefined, names: undefined, logLevel: undefined, subscriptions: [] }
  const stored = { id: randomId('session'), owner: 'ann', protocolVersion: '2025-11-25', capabilities: {}, ...said }
  return new Session(stored, { nowMs: 0, newRequestId: () => '' })
}

const placeOf = (start: string) => ({ streamId: start.slice(0, start.indexOf('.')), position: 0 })

describe('what is told on a broken stream', () => {
  it('waits in bounded number for a store that is slow, is written in portions, and ends with its end', async () => {
    const written: (readonly StreamEvent[])[] = []
    const slow = Promise.withResolvers<void>()
    const appendEvents = vi.fn<SessionStore['appendEvents']>(async (_, events) => {
      await slow.promise
      written.push(events)
    })
    const stream = streamsOn({ appendEvents, eventsAfter: async () => [] }).begin(sessionOf(), () => {})
    stream.break()
    for (let step = 1; step <= 20_000; step += 1) stream.note(`progress ${step}`)
    stream.note('the result')
    stream.end()
    slow.resolve()
    await vi.waitFor(() => expect(written.flat().at(-1)).toMatchObject({ last: true }))
    expect(written.flat().length).toBeLessThanOrEqual(1_100)
    expect(written.flat().at(-2)).toMatchObject({ message: 'the result', position: 20_001 })
    expect(appendEvents.mock.calls.length).toBeLessThan(20)
  })
})

describeOnStores('what is kept of a broken stream', (openStore) => {
  it('is bounded in number, and the latest of it', async () => {
    const { database } = await openStore()
    const store = createPostgresSessionStore(database)
    const session = sessionOf()
    const streams = streamsOn(store)
    const [stream, other] = [streams.begin(session, () => {}), streams.begin(session, () => {})]
    const of = (start: string) => ({ id: placeOf(start).streamId, sessionId: session.id })
    const kept = (start: string) => store.eventsAfter(of(start), 0)
    other.break()
    other.note('of another stream')
    stream.break()
    for (let round = 1; round <= 30; round += 1) {
      for (let step = 1; step <= 100; step += 1) stream.note(`progress ${round} ${step}`)
      const latest = () => store.eventsAfter(of(stream.start), round * 100 - 1)
      await vi.waitFor(async () => expect(await latest()).toHaveLength(1), patience)
    }
    stream.end()
    await vi.waitFor(
      async () => expect((await kept(stream.start)).at(-1)).toMatchObject({ position: 3_001, last: true }),
      patience,
    )
    expect((await kept(stream.start))[0]?.position).toBe(2_002)
    expect(await kept(other.start)).toMatchObject([{ message: 'of another stream' }])
  })
})
