import { randomId, silentLogger } from '@toolgate/core'
import { principalOf } from '@toolgate/testing/callers'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { emptySessionStore } from '@toolgate/testing/session-store'
import { expect, it, vi } from 'vitest'
import type { SessionStore } from './session-store.ts'
import { createSessions } from './sessions.ts'

const sessionsOfTest = 10_000
const bytesPerSession = 20_000

/** As many rows as one likes, and none of them in this process. */
const elsewhere: SessionStore = {
  ...emptySessionStore,
  touch: async ({ used, held }) => [...used, ...held],
}

it('an abandoned session costs less than 20 kB, and nothing once it was idle for its time', async () => {
  const clock = fakeClock()
  const feed = { listen: async () => async () => {} }
  const sessions = createSessions({ store: elsewhere, feed, clock, log: silentLogger, newId: randomId })
  await sessions.start()
  const before = process.memoryUsage().heapUsed
  for (let opened = 0; opened < sessionsOfTest; opened += 1) {
    // As clients declare it, parsed anew for each of them.
    const capabilities = JSON.parse('{"roots":{"listChanged":true},"elicitation":{"form":{},"url":{}},"sampling":{}}')
    const session = await sessions.open(principalOf({ id: `owner-${opened}` }), {
      protocolVersion: '2025-11-25',
      capabilities,
      names: undefined,
    })
    session.tell({ notification: { jsonrpc: '2.0', method: 'notifications/tools/list_changed' } })
    session.subscriptions = new Set([`note://${opened}`])
  }
  const cost = process.memoryUsage().heapUsed - before
  expect([...sessions.live()]).toHaveLength(sessionsOfTest)
  expect(cost / sessionsOfTest).toBeLessThan(bytesPerSession)
  await vi.waitFor(() => {
    clock.advance(31 * 60_000)
    expect([...sessions.live()]).toHaveLength(0)
  }, 10_000)
  await sessions.close()
})
