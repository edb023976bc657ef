import type { News } from './hearer.ts'
import { type JsonRpcNotification, randomId, silentLogger } from '@toolgate/core'
import type { Database } from '@toolgate/db'
import { principalOf } from '@toolgate/testing/callers'
import { describeOnStores } from '@toolgate/testing/database'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { emptySessionStore } from '@toolgate/testing/session-store'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { isLogged } from './log-levels.ts'
import { readNotice, writeNotice } from './notices.ts'
import type { Outlet, Session } from './session.ts'
import { createPostgresSessionStore } from './session-store.postgres.ts'
import type { SessionStore } from './session-store.ts'
import type { SessionBounds } from './session-options.ts'
import { createSessions } from './sessions.ts'

const ann = principalOf({ id: 'ann' })
const bob = principalOf({ id: 'bob' })
const wanted = { protocolVersion: '2025-11-25', capabilities: { roots: {} }, names: ['one'] }

async function sessionsOn(database: Database, bounds: Partial<SessionBounds> = {}) {
  const clock = fakeClock()
  const store = createPostgresSessionStore(database)
  const ended: string[] = []
  const sessions = createSessions({
    store,
    feed: database,
    clock,
    log: silentLogger,
    newId: randomId,
    onEnd: ({ id }) => void ended.push(id),
    bounds: { perOwner: 3, ...bounds },
  })
  await sessions.start()
  return { sessions, store, clock, ended }
}

/** A client's end of a stream. */
function outletOf() {
  const sent: object[] = []
  const over = new AbortController()
  const outlet: Outlet = { send: (message) => sent.push(message) > 0, signal: over.signal }
  return { ...outlet, tell: ({ notification }: News) => outlet.send(notification), sent, close: () => over.abort() }
}

/** A store of which only what a test gives beside it is asked. */
const unasked: SessionStore = { ...emptySessionStore, open: async () => undefined, end: async () => false }

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'ok',
    (error: unknown) => Reflect.get(Object(error), 'code'),
  )

describeOnStores('sessions', (openStore) => {
  let database: Database
  let openAgain: () => Promise<Database>
  beforeAll(async () => {
    const opened = await openStore()
    database = opened.database
    openAgain = () => opened.openAgain()
  }, 60_000)

  it('are found by every gateway, by their owner alone, and by nobody once they are ended', async () => {
    const here = await sessionsOn(database)
    const there = await sessionsOn(await openAgain())
    const { id } = await here.sessions.open(ann, wanted)
    const found = await there.sessions.find(id, ann)
    expect(found).toMatchObject({ id, owner: 'ann', ...wanted })
    expect(await codeOf(there.sessions.find(id, bob))).toBe('SESSION_OF_ANOTHER')
    await here.sessions.end(await here.sessions.find(id, ann))
    expect(await codeOf(here.sessions.find(id, ann))).toBe('SESSION_NOT_FOUND')
    await vi.waitFor(() => expect(there.ended).toEqual([id]), 10_000)
    expect(await codeOf(there.sessions.find(id, ann))).toBe('SESSION_NOT_FOUND')
    await Promise.all([here.sessions.close(), there.sessions.close()])
  })

  it('are not served by a gateway that read them just before they were ended', async () => {
    const here = await sessionsOn(database)
    const again = await openAgain()
    const store = createPostgresSessionStore(again)
    const [read, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const heard: string[] = []
    const there = createSessions({
      store: {
        ...store,
        async load(id) {
          const stored = await store.load(id)
          read.resolve()
          await goOn.promise
          return stored
        },
      },
      feed: {
        listen: (channel, { changed, ...listener }) =>
          again.listen(channel, {
            ...listener,
            changed(text) {
              changed(text)
              heard.push(text)
            },
          }),
      },
      clock: fakeClock(),
      log: silentLogger,
      newId: randomId,
    })
    await there.start()
    const session = await here.sessions.open(ann, wanted)
    const finding = codeOf(there.find(session.id, ann))
    await read.promise
    await here.sessions.end(session)
    await vi.waitFor(() => expect(heard.join()).toContain(session.id), 10_000)
    goOn.resolve()
    expect(await finding).toBe('SESSION_NOT_FOUND')
    await Promise.all([here.sessions.close(), there.close()])
  })

  it('of one owner are bounded: the longest idle one makes room, one in use never does', async () => {
    const { sessions } = await sessionsOn(database)
    const cat = principalOf({ id: 'cat' })
    const open = async () => (await sessions.open(cat, wanted)).id
    const [first, second, third] = [await open(), await open(), await open()]
    const listening = async (id: string) => (await sessions.find(id, cat)).listen(outletOf())
    await listening(first)
    const fourth = await open()
    expect(await codeOf(sessions.find(second, cat))).toBe('SESSION_NOT_FOUND')
    for (const id of [third, fourth]) await listening(id)
    expect(await codeOf(open())).toBe('TOO_MANY_SESSIONS')
    await sessions.open(bob, wanted)
    await sessions.close()
  })

  it('cost no query while they are used, and vanish when nobody uses them, here and in the store', async () => {
    const { sessions, store, clock, ended } = await sessionsOn(database, { idleMs: 1, noteMs: 1_000_000 })
    const load = vi.spyOn(store, 'load')
    const { id } = await sessions.open(ann, wanted)
    for (let use = 0; use < 100; use += 1) await sessions.find(id, ann)
    expect(load).not.toHaveBeenCalled()
    await vi.waitFor(() => {
      clock.advance(1_000_000)
      expect(ended).toEqual([id])
    }, 10_000)
    await vi.waitFor(async () => expect(await store.endIdle(1)).toEqual([]))
    expect(await codeOf(sessions.find(id, ann))).toBe('SESSION_NOT_FOUND')
    await sessions.close()
  })

  it('lead an answer, however long, and a cancellation to the gateway that waits for it', async () => {
    const here = await sessionsOn(database)
    const there = await sessionsOn(await openAgain())
    const session = await here.sessions.open(ann, wanted)
    const elsewhere = await there.sessions.find(session.id, ann)
    for (const size of [1, 20_000]) {
      const outlet = outletOf()
      const answer = session.peer(outlet).request({ method: 'roots/list' }, { signal: new AbortController().signal })
      const id = Reflect.get(Object(outlet.sent[0]), 'id')
      const result = { text: 'x'.repeat(size) }
      await there.sessions.settle(elsewhere, { jsonrpc: '2.0', id, result })
      expect(await answer).toEqual(result)
    }
    using call = session.begin(7)
    await there.sessions.cancel(elsewhere, 7)
    await vi.waitFor(() => expect(call.signal.aborted).toBe(true), 10_000)
    await Promise.all([here.sessions.close(), there.sessions.close()])
  })
})

describe('what a gateway announces and hears itself', () => {
  it('changes nothing there, however late it comes', async () => {
    const late: string[] = []
    const levels: unknown[] = []
    let changed: (payload: string) => void = () => {}
    const sessions = createSessions({
      store: {
        ...unasked,
        open: async () => [],
        setLogLevel: async () => {},
        setSubscriptions: async () => {},
        announce: async (message) => void late.push(message),
      },
      feed: {
        async listen(_, listener) {
          changed = listener.changed
          return async () => {}
        },
      },
      clock: fakeClock(),
      log: silentLogger,
      newId: randomId,
      onLogLevel: ({ logLevel }) => void levels.push(logLevel),
    })
    await sessions.start()
    const session = await sessions.open(ann, wanted)
    const subscribed: string[][] = []
    session.listen(outletOf(), () => void subscribed.push([...session.subscriptions]))
    for (const level of ['warning', 'debug']) await sessions.setLogLevel(session, level)
    for (const uris of [['n://1'], ['n://1', 'n://2']]) await sessions.setSubscriptions(session, new Set(uris))
    expect(late).toHaveLength(4)
    for (const notice of late) changed(notice)
    expect(levels).toEqual(['warning', 'debug'])
    expect(subscribed).toEqual([['n://1'], ['n://1', 'n://2']])
    await sessions.close()
  })
})

describe('a session', () => {
  const opened = async (): Promise<Session> => {
    const { Session } = await import('./session.ts')
    let asked = 0
    const stored = { id: 's', owner: 'ann', client: undefined, logLevel: undefined, subscriptions: [], ...wanted }
    return new Session(stored, { nowMs: 0, newRequestId: () => `gateway_1.${(asked += 1)}` })
  }
  const news = (method: string, params = {}): JsonRpcNotification => ({ jsonrpc: '2.0', method, params })

  it('keeps news of each kind once for a client that does not listen, and a bounded number', async () => {
    const session = await opened()
    for (let count = 0; count < 100; count += 1) {
      session.tell({ notification: news('notifications/tools/list_changed') })
      session.tell({ notification: news('notifications/resources/updated', { uri: `n://${count}` }) })
    }
    const stream = outletOf()
    session.listen(stream)
    expect(stream.sent).toHaveLength(64)
    const next = outletOf()
    session.listen(next)
    expect([stream.signal.aborted, next.sent]).toEqual([true, []])
  })

  it('keeps all else that is said for it as often as it is, so much of it, and no news the less', async () => {
    const session = await opened()
    session.tell({ notification: news('notifications/tools/list_changed') })
    for (let count = 1; count <= 100; count += 1) {
      session.tell({ notification: news('notifications/message', { data: count }) })
    }
    const stream = outletOf()
    session.listen(stream)
    const latest = Array.from({ length: 64 }, (_, index) => ({ params: { data: index + 37 } }))
    expect(stream.sent).toMatchObject([{ method: 'notifications/tools/list_changed' }, ...latest])
    stream.close()
    for (const data of ['short', 'x'.repeat(150_000), 'y'.repeat(150_000)]) {
      session.tell({ notification: news('notifications/message', { data }) })
    }
    const next = outletOf()
    session.listen(next)
    expect(next.sent).toMatchObject([{ params: { data: expect.stringMatching(/^y/) } }])
  })

  it('ends every request of one id, and leaves none behind where a client uses an id twice at a time', async () => {
    const session = await opened()
    const calls = [session.begin(1), session.begin(1), session.begin(2)]
    calls[1]?.[Symbol.dispose]()
    expect(session.cancel(1)).toBe(true)
    expect(calls.map(({ signal }) => signal.aborted)).toEqual([true, false, false])
    expect(session.cancel(3)).toBe(false)
    const [first, second] = [session.begin(1), session.begin(1)]
    session.end()
    expect([first, second].map(({ signal }) => signal.aborted)).toEqual([true, true])
  })

  it('withdraws a question that nobody waits for, and fails one whose client left', async () => {
    const session = await opened()
    const outlet = outletOf()
    const leaving = new AbortController()
    const asked = session.peer(outlet).request({ method: 'roots/list' }, { signal: leaving.signal })
    leaving.abort()
    expect(await codeOf(asked)).toBe('CANCELLED')
    expect(outlet.sent.at(-1)).toMatchObject({
      method: 'notifications/cancelled',
      params: { requestId: 'gateway_1.1' },
    })
    const second = session.peer(outlet).request({ method: 'roots/list' }, { signal: new AbortController().signal })
    outlet.close()
    expect(await codeOf(second)).toBe('CANCELLED')
  })

  it('hears logs from its level on, and whatever has no level', () => {
    const heard = (level: string, wantedLevel?: string) =>
      isLogged({ jsonrpc: '2.0', method: 'notifications/message', params: { level } }, wantedLevel)
    expect([heard('debug'), heard('debug', 'error'), heard('alert', 'error'), heard('odd', 'error')]).toEqual([
      true,
      false,
      true,
      true,
    ])
  })
})

it.each([
  '',
  '{',
  '[]',
  '{"kind":"end"}',
  '{"kind":"cancel","sessionId":"a"}',
  '{"kind":"reply","sessionId":"a","response":{}}',
])('a notice that is none is nothing: %s', (text) => expect(readNotice(text)).toBeUndefined())

it('a notice is read as it was written', () => {
  const notice = { kind: 'cancel', sessionId: 's', requestId: 1 } as const
  expect(readNotice(writeNotice(notice))).toEqual(notice)
})
