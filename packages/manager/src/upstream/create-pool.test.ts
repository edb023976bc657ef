import { type Caller, createOutbound, type Credential, type Secret, silentLogger, systemClock } from '@toolgate/core'
import { callerOf, principalOf } from '@toolgate/testing/callers'
import { type FakeClock, fakeClock } from '@toolgate/testing/fake-clock'
import { startMcpServer } from '@toolgate/testing/mcp-server'
import * as fc from 'fast-check'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { bearerOf, credentialOf, serverOf } from '../fake-world.fixture.ts'
import type { ManagedServer } from '../registry/managed-server.ts'
import { callOf, quickTimeouts, transportOf } from '../transports/connecting.fixture.ts'
import type { ConnectRequest } from '../transports/transport.ts'
import { type Connection, SessionExpired } from './connection.ts'
import { createPool, type PoolBounds } from './create-pool.ts'
import type { AcquireRequest, Pool } from './pool.ts'

interface FakeConnection extends Connection {
  readonly made: ConnectRequest
  open: boolean
  closed: number
}

interface Upstream {
  readonly server: ManagedServer
  readonly connections: readonly FakeConnection[]
  /** Handshakes that wait until this is called. */
  release(): void
}

/** A server whose connections are counted; with `held` their handshakes wait for `release`. */
function upstreamOf(overrides: Partial<ManagedServer> = {}, { held = false, sessionful = true } = {}): Upstream {
  const connections: FakeConnection[] = []
  const gate = Promise.withResolvers<void>()
  if (!held) gate.resolve()
  const connect = async (made: ConnectRequest): Promise<Connection> => {
    const connection: FakeConnection = {
      made,
      handshake: { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: {}, instructions: undefined },
      sessionful,
      open: true,
      closed: 0,
      request: async () => ({}),
      notify: async () => {},
      async close() {
        connection.open = false
        connection.closed += 1
      },
    }
    connections.push(connection)
    await Promise.race([
      gate.promise,
      new Promise((_, reject) => made.signal.addEventListener('abort', () => reject(made.signal.reason))),
    ])
    return connection
  }
  const base = serverOf({ id: 'github', ...overrides })
  const transport = { ...base.transport, sharing: 'unless-sessionful' as const, connect }
  return { server: { ...base, transport }, connections, release: gate.resolve }
}

function poolOf(bounds: Partial<PoolBounds> = {}): Pool & { readonly clock: FakeClock } {
  const clock = fakeClock()
  const pool = createPool({ clock, log: silentLogger, bounds })
  return Object.assign(pool, { clock })
}

function personOf(id: string): Caller {
  return callerOf({ principal: principalOf({ id }) })
}

function requestOf(server: ManagedServer, overrides: Partial<AcquireRequest> = {}): AcquireRequest {
  const signal = new AbortController().signal
  return { server, credential: credentialOf(), caller: personOf('ann'), signal, ...overrides }
}

async function borrowOnce(pool: Pool, request: AcquireRequest): Promise<Connection> {
  using lease = await pool.acquire(request)
  return lease.connection
}

describe('whose connection it is', () => {
  it('is one handshake for fifty callers at once', async () => {
    const pool = poolOf()
    const { server, connections, release } = upstreamOf({}, { held: true })
    const leases = Array.from({ length: 50 }, async () => await pool.acquire(requestOf(server)))
    release()
    expect(new Set((await Promise.all(leases)).map(({ connection }) => connection)).size).toBe(1)
    expect(connections).toHaveLength(1)
  })

  it('survives the one who asked first', async () => {
    const pool = poolOf()
    const { server, connections, release } = upstreamOf({}, { held: true })
    const leaving = new AbortController()
    const first = pool.acquire(requestOf(server, { signal: leaving.signal }))
    const second = pool.acquire(requestOf(server))
    leaving.abort()
    await expect(first).rejects.toMatchObject({ code: 'CANCELLED' })
    release()
    expect((await second).connection).toBe(connections[0])
  })

  it('is not made for nobody', async () => {
    const pool = poolOf()
    const { server, connections } = upstreamOf({}, { held: true })
    const leaving = new AbortController()
    const only = pool.acquire(requestOf(server, { signal: leaving.signal }))
    leaving.abort()
    await expect(only).rejects.toMatchObject({ code: 'CANCELLED' })
    expect(connections[0]?.made.signal.aborted).toBe(true)
    expect(pool.size).toBe(0)
  })

  it('is never another holder’s, whatever the interleaving', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom('ann', 'bob', 'cy'), fc.nat(3), fc.boolean()), { maxLength: 40 }),
        fc.scheduler(),
        async (steps, scheduler) => {
          const pool = poolOf()
          const { server, connections } = upstreamOf({ isolation: 'server' })
          const owners = new Map<Connection, string>()
          await scheduler.waitFor(
            Promise.all(
              steps.map(async ([holder, _turn, discards]) => {
                await scheduler.schedule(Promise.resolve())
                const credential = bearerOf(holder, { scope: { kind: 'holder', holder } })
                using lease = await pool.acquire(requestOf(server, { credential, caller: personOf(holder) }))
                expect(owners.get(lease.connection) ?? holder).toBe(holder)
                owners.set(lease.connection, holder)
                await scheduler.schedule(Promise.resolve())
                if (discards) lease.discard()
              }),
            ),
          )
          for (const connection of connections) {
            expect(connection.made.credential.scope).toEqual({ kind: 'holder', holder: owners.get(connection) })
          }
        },
      ),
      { numRuns: 50 },
    )
  })

  it('is everyone’s once the server turned out to keep no session, and never discovery’s', async () => {
    const pool = poolOf()
    const { server, connections } = upstreamOf({}, { sessionful: false })
    await borrowOnce(pool, requestOf(server, { caller: undefined }))
    const ann = await borrowOnce(pool, requestOf(server))
    const bob = await borrowOnce(pool, requestOf(server, { caller: personOf('bob') }))
    expect(ann).toBe(bob)
    expect(connections).toHaveLength(2)
  })

  it('is learnt for each credential: sessions of one holder say nothing about the others', async () => {
    const pool = poolOf()
    const { server: plain } = upstreamOf()
    const connect = async (made: ConnectRequest) =>
      Object.assign(await plain.transport.connect(made), { sessionful: made.credential.scope.kind === 'holder' })
    const server = { ...plain, transport: { ...plain.transport, connect } }
    const team = bearerOf('team', { scope: { kind: 'holder', holder: 'team' } })
    await borrowOnce(pool, requestOf(server, { caller: undefined }))
    const everyones = await borrowOnce(pool, requestOf(server))
    const ann = await borrowOnce(pool, requestOf(server, { credential: team }))
    expect(await borrowOnce(pool, requestOf(server, { credential: team, caller: personOf('bob') }))).not.toBe(ann)
    expect(await borrowOnce(pool, requestOf(server, { credential: team }))).toBe(ann)
    expect(await borrowOnce(pool, requestOf(server, { caller: personOf('bob') }))).toBe(everyones)
  })

  it('is one principal’s where the server keeps sessions', async () => {
    const pool = poolOf()
    const { server } = upstreamOf()
    const ann = await borrowOnce(pool, requestOf(server))
    expect(await borrowOnce(pool, requestOf(server))).toBe(ann)
    expect(await borrowOnce(pool, requestOf(server, { caller: personOf('bob') }))).not.toBe(ann)
  })

  it('is one session’s where the server may ask the client, and declares what it may ask', async () => {
    const pool = poolOf()
    const { server, connections } = upstreamOf({ allowElicitation: true })
    const session = (sessionId: string) =>
      callerOf({ peer: { ...callerOf().peer, sessionId, capabilities: { elicitation: {}, sampling: {} } } })
    await borrowOnce(pool, requestOf(server, { caller: session('one') }))
    await borrowOnce(pool, requestOf(server, { caller: session('two') }))
    expect(connections.map(({ made }) => [made.exclusive, made.clientCapabilities])).toEqual([
      [true, { elicitation: {} }],
      [true, { elicitation: {} }],
    ])
  })

  it('is one call’s where the operator says so, and closes with it', async () => {
    const pool = poolOf()
    const { server, connections } = upstreamOf({ isolation: 'call' })
    const first = await borrowOnce(pool, requestOf(server))
    expect(await borrowOnce(pool, requestOf(server))).not.toBe(first)
    expect(connections.map(({ closed }) => closed)).toEqual([1, 1])
    expect(pool.size).toBe(0)
  })

  it('is another one after the definition changed', async () => {
    const pool = poolOf()
    const { server, connections } = upstreamOf()
    await borrowOnce(pool, requestOf(server))
    await borrowOnce(pool, requestOf({ ...server, revision: '2' }))
    expect(connections).toHaveLength(2)
  })
})

describe('the end of a connection', () => {
  it('comes after it lay idle, and not while it is borrowed', async () => {
    const pool = poolOf({ idleMs: 60_000 })
    const { server, connections } = upstreamOf()
    const lease = await pool.acquire(requestOf(server))
    pool.clock.advance(120_000)
    expect(connections[0]?.closed).toBe(0)
    lease[Symbol.dispose]()
    pool.clock.advance(50_000)
    expect(connections[0]?.closed).toBe(0)
    pool.clock.advance(16_000)
    expect(connections[0]?.closed).toBe(1)
    expect(pool.size).toBe(0)
  })

  it('of a retired revision waits for the calls in flight, and spares the current one', async () => {
    const pool = poolOf()
    const { server, connections } = upstreamOf()
    const lease = await pool.acquire(requestOf(server))
    await borrowOnce(pool, requestOf({ ...server, revision: '2' }))
    pool.retire('github', '2')
    expect(connections.map(({ closed }) => closed)).toEqual([0, 0])
    lease[Symbol.dispose]()
    expect(connections.map(({ closed }) => closed)).toEqual([1, 0])
    pool.retire('github')
    expect(connections.map(({ closed }) => closed)).toEqual([1, 1])
  })

  it('of a server retired during its handshake comes with its first return', async () => {
    const pool = poolOf()
    const { server, connections, release } = upstreamOf({}, { held: true })
    const pending = pool.acquire(requestOf(server))
    pool.retire('github')
    release()
    ;(await pending)[Symbol.dispose]()
    expect(connections[0]?.closed).toBe(1)
  })

  it('by discarding concerns that one only', async () => {
    const pool = poolOf()
    const { server, connections } = upstreamOf()
    const [first, second] = await Promise.all([pool.acquire(requestOf(server)), pool.acquire(requestOf(server))])
    first.discard()
    const fresh = await pool.acquire(requestOf(server))
    second.discard()
    expect(fresh.connection).toBe(connections[1])
    expect((await pool.acquire(requestOf(server))).connection).toBe(fresh.connection)
  })

  it('found at the next use leads to a new one', async () => {
    const pool = poolOf()
    const { server, connections } = upstreamOf()
    await borrowOnce(pool, requestOf(server))
    for (const connection of connections) connection.open = false
    expect(await borrowOnce(pool, requestOf(server))).toBe(connections[1])
    expect(pool.size).toBe(1)
  })

  it('of the whole pool waits for calls in flight, but not for ever, and leaves no timer', async () => {
    const pool = poolOf({ closeMs: 4_000 })
    const { server, connections } = upstreamOf()
    await pool.acquire(requestOf(server))
    const closing = pool.close()
    expect(connections[0]?.closed).toBe(0)
    pool.clock.advance(2_000)
    await closing
    expect(connections[0]?.closed).toBe(1)
    expect(pool.clock.pending).toBe(0)
    await expect(pool.acquire(requestOf(server))).rejects.toMatchObject({ code: 'SHUTTING_DOWN' })
  })
})

describe('the bounds', () => {
  it('of one holder cost only the holder’s own idle connections', async () => {
    const pool = poolOf({ connectionsPerHolder: 2 })
    const upstreams = ['a', 'b', 'c'].map((id) => upstreamOf({ id }))
    const bobs = upstreamOf({ id: 'bobs' })
    await borrowOnce(pool, requestOf(bobs.server, { caller: personOf('bob') }))
    for (const { server } of upstreams) {
      await borrowOnce(pool, requestOf(server))
      pool.clock.advance(1)
    }
    expect(upstreams.map(({ connections }) => connections[0]?.closed)).toEqual([1, 0, 0])
    expect(bobs.connections[0]?.closed).toBe(0)
  })

  it('take the idlest of whoever has most, where the newcomer has less', async () => {
    const pool = poolOf({ connections: 1 })
    const [first, second] = [upstreamOf({ id: 'a' }), upstreamOf({ id: 'b' })]
    await borrowOnce(pool, requestOf(first.server, { caller: personOf('bob') }))
    await borrowOnce(pool, requestOf(second.server, { caller: personOf('ann') }))
    expect(first.connections[0]?.closed).toBe(1)
  })

  it('are an error where nobody has more than the newcomer, and nothing of it is idle', async () => {
    const pool = poolOf({ connections: 2 })
    const [first, second, third] = [upstreamOf({ id: 'a' }), upstreamOf({ id: 'b' }), upstreamOf({ id: 'c' })]
    await borrowOnce(pool, requestOf(first.server, { caller: personOf('bob') }))
    using _busy = await pool.acquire(requestOf(second.server, { caller: personOf('ann') }))
    await expect(pool.acquire(requestOf(third.server, { caller: personOf('ann') }))).rejects.toMatchObject({
      code: 'UPSTREAM_BUSY',
      details: { server: 'c' },
    })
    expect(first.connections[0]?.closed).toBe(0)
  })

  it('count connections that are still being made', async () => {
    const pool = poolOf({ connectionsPerHolder: 1 })
    const [first, second] = [upstreamOf({ id: 'a' }, { held: true }), upstreamOf({ id: 'b' })]
    const pending = pool.acquire(requestOf(first.server))
    await expect(pool.acquire(requestOf(second.server))).rejects.toMatchObject({ code: 'UPSTREAM_BUSY' })
    first.release()
    await pending
  })

  it('give a failed attempt its place back', async () => {
    const pool = poolOf({ connections: 1 })
    const { server } = upstreamOf()
    const connect = () => Promise.reject(new Error('refused'))
    const broken = { ...server, transport: { ...server.transport, connect } }
    await expect(pool.acquire(requestOf(broken))).rejects.toThrow('refused')
    await borrowOnce(pool, requestOf(server))
  })
})

describe('over real connections', () => {
  it('two people with two credentials never get each other’s, and a lost session is replaced', async () => {
    await using upstream = await startMcpServer()
    const outbound = createOutbound()
    await using http = transportOf('http', { url: upstream.url }, { outbound })
    const pool = createPool({ clock: systemClock, log: silentLogger })
    onTestFinished(() => pool.close())
    const server = serverOf({ id: 'github', transport: http, timeouts: quickTimeouts })
    const whoami = async (holder: string) => {
      const credential: Credential = bearerOf(holder, { scope: { kind: 'holder', holder } })
      const headers: ReadonlyMap<string, Secret> = credential.headers()
      using lease = await pool.acquire(requestOf(server, { credential, caller: personOf(holder) }))
      try {
        return await lease.connection.request(callOf('whoami', { headers }))
      } catch (error) {
        if (error instanceof SessionExpired) lease.discard()
        throw error
      }
    }
    const people = Array.from({ length: 20 }, (_, turn) => (turn % 2 === 0 ? 'ann' : 'bob'))
    const answers = await Promise.all(people.map(whoami))
    expect(answers).toEqual(people.map((person) => ({ content: [{ type: 'text', text: `Bearer ${person}` }] })))
    expect(upstream.handshakes).toBe(2)
    upstream.forgetSessions()
    await expect(whoami('ann')).rejects.toBeInstanceOf(SessionExpired)
    await whoami('ann')
    expect(upstream.handshakes).toBe(3)
    const sessions = upstream.requests.filter(({ rpcMethod }) => rpcMethod === 'tools/call')
    for (const { headers } of sessions) {
      const sharing = sessions.filter((other) => other.headers.get('mcp-session-id') === headers.get('mcp-session-id'))
      expect(new Set(sharing.map((other) => other.headers.get('authorization'))).size).toBe(1)
    }
  })

  it('hands on what a server says on its own, with the server it came from', async () => {
    await using upstream = await startMcpServer()
    await using http = transportOf('http', { url: upstream.url })
    const heard: string[] = []
    const onUnsolicited = (from: ManagedServer, { method }: { method: string }) =>
      void heard.push(`${from.id} ${method}`)
    const pool = createPool({ clock: systemClock, log: silentLogger, onUnsolicited })
    onTestFinished(() => pool.close())
    const server = serverOf({ id: 'github', transport: http, timeouts: quickTimeouts })
    await borrowOnce(pool, requestOf(server, { caller: undefined }))
    await vi.waitUntil(async () => {
      await upstream.announceTools()
      return heard.length > 0
    })
    expect(heard[0]).toBe('github notifications/tools/list_changed')
  })
})
