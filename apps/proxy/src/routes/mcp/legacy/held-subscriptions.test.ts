import { setImmediate } from 'node:timers/promises'
import { type Principal, silentLogger } from '@toolgate/core'
import { createSessions } from '@toolgate/manager'
import { callerOf, principalOf } from '@toolgate/testing/callers'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { emptySessionStore } from '@toolgate/testing/session-store'
import { expect, it, vi } from 'vitest'
import { EventStream } from '../event-stream.ts'
import { listenWithSubscriptions } from './held-subscriptions.ts'

const ann = principalOf({ id: 'ann' })

/** A session whose client's key is looked at for as long as the test wants. */
async function listening() {
  const clock = fakeClock()
  const sessions = createSessions({
    store: emptySessionStore,
    feed: { listen: async () => async () => {} },
    clock,
    log: silentLogger,
    newId: (kind) => `${kind}_1`,
  })
  const session = await sessions.open(ann, { protocolVersion: '2025-11-25', capabilities: {}, names: undefined })
  const listen = (admitAgain: () => Promise<Principal>) => {
    const stream = new EventStream({ clock })
    const options = { clock, log: silentLogger, answer: async () => ({}) }
    const caller = callerOf({ principal: ann })
    listenWithSubscriptions(options, { session, stream, caller, view: { unresolved: [] }, admitAgain })
    return stream
  }
  return { session, listen }
}

it('tells on the next stream what waited for a look at the caller when its stream ended', async () => {
  const { session, listen } = await listening()
  const looked = Promise.withResolvers<Principal>()
  const looks = vi.fn(() => looked.promise)
  const first = listen(looks)
  session.tell({ notification: { jsonrpc: '2.0', method: 'notifications/tools/list_changed' } })
  expect(looks).toHaveBeenCalledTimes(1)
  const next = listen(async () => ann)
  looked.resolve(ann)
  expect(first.signal.aborted).toBe(true)
  // Whoever is looked at by then has been.
  await setImmediate()
  next.close()
  expect(await next.response.text()).toContain('notifications/tools/list_changed')
  expect(await first.response.text()).not.toContain('list_changed')
})

it('tells a client that listens all that a server says at once, however much that is', async () => {
  const { session, listen } = await listening()
  const stream = listen(async () => ann)
  const said = Array.from({ length: 500 }, (_, index) => `line ${index}.`)
  for (const data of said) {
    session.tell({ notification: { jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data } } })
  }
  await setImmediate()
  stream.close()
  const told = await stream.response.text()
  expect(said.filter((data) => !told.includes(data))).toEqual([])
})
