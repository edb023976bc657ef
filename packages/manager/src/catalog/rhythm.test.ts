import { GatewayError, type JsonObject } from '@toolgate/core'
import { callerOf, principalOf } from '@toolgate/testing/callers'
import { describe, expect, it } from 'vitest'
import { bearerOf, credentialOf, serverOf, toolsNamed, type World, worldOf } from '../fake-world.fixture.ts'
import { defaultCircuitBounds } from '../upstream/circuit.ts'
import { defaultCatalogTiming } from './catalog.ts'
import { defaultLaneBounds } from './lanes.ts'

const { signal } = new AbortController()
const notes = serverOf({ id: 'notes' })
const settled = () => new Promise<void>((resolve) => setImmediate(resolve))
const unreachable = () =>
  new GatewayError('UPSTREAM_UNREACHABLE', 'MCP server "notes" cannot be reached: connecting failed.', {
    details: { server: 'notes', stage: 'connect' },
    cause: Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }),
  })

/** A server that fails as the test says, and when it was asked for its tools. */
function moody() {
  const state: { failure: GatewayError | undefined } = { failure: undefined }
  const answer = async (): Promise<JsonObject> => {
    askedAt.push(world.clock.now())
    if (state.failure !== undefined) throw state.failure
    return { tools: toolsNamed('read') }
  }
  const askedAt: number[] = []
  const world = worldOf({ servers: [notes], upstreams: { notes: { answer } } })
  return { world, state, askedAt }
}

/** Lets time pass in sweeps, so that each may do its work. */
async function pass(world: World, milliseconds: number): Promise<void> {
  for (let passed = 0; passed < milliseconds; passed += 1_000) {
    world.clock.advance(1_000)
    for (let turn = 0; turn < 5; turn += 1) await settled()
  }
}

const secondsBetween = (times: readonly number[]) =>
  times.slice(1).map((time, index) => Math.round((time - (times[index] ?? 0)) / 1_000))

describe('refreshing in the background', () => {
  it('asks a server that fails ever less often, up to ten minutes, and begins anew once it answered', async () => {
    const { world, state, askedAt } = moody()
    // Not one that cannot be reached: the circuit would have a say as well.
    state.failure = new GatewayError('UPSTREAM_PROTOCOL', 'nonsense')
    await world.catalog.start()
    await pass(world, 60 * 60_000)
    const pauses = secondsBetween(askedAt)
    expect(pauses.slice(0, 5)).toEqual([30, 60, 120, 240, 480])
    expect(pauses.slice(5)).toEqual(pauses.slice(5).map(() => 600))
    expect(pauses.length).toBeGreaterThan(8)

    state.failure = undefined
    await pass(world, 10 * 60_000)
    askedAt.length = 0
    state.failure = new GatewayError('UPSTREAM_PROTOCOL', 'nonsense')
    await pass(world, 8 * 60_000)
    expect(secondsBetween(askedAt)[0]).toBe(30)
    await world.catalog.close()
  })

  it('does not ask a server whose circuit is open before it is time, and then by one attempt', async () => {
    const { world, state, askedAt } = moody()
    await world.catalog.start()
    state.failure = unreachable()
    const call = () => world.call(callerOf(), 'notes-read').catch(() => undefined)
    for (let count = 0; count < defaultCircuitBounds.failures; count += 1) await call()
    const opened = world.clock.now()
    askedAt.length = 0
    for (let count = 0; count < 20; count += 1) await call()
    expect(askedAt).toEqual([])
    await pass(world, 20_000)
    expect(askedAt).toEqual([opened + defaultCatalogTiming.sweepMs])
    await world.catalog.close()
  })

  it('never asks more servers at once than its bound, neither at start nor later, and all in the end', async () => {
    const servers = Array.from({ length: 50 }, (_, index) => serverOf({ id: `s${index}` }))
    let asking = 0
    let most = 0
    const asked = new Set<string>()
    const upstreamOf = (id: string) => ({
      async answer(): Promise<JsonObject> {
        asking += 1
        most = Math.max(most, asking)
        await settled()
        asking -= 1
        asked.add(id)
        return { tools: [] }
      },
    })
    const upstreams = Object.fromEntries(servers.map(({ id }) => [id, upstreamOf(id)]))
    const world = worldOf({ servers, upstreams })
    await world.catalog.start()
    expect([asked.size, most]).toEqual([50, defaultLaneBounds.quick])
    asked.clear()
    await pass(world, defaultCatalogTiming.ttlMs + 2 * defaultCatalogTiming.sweepMs)
    expect([asked.size, most]).toEqual([50, defaultLaneBounds.quick])
    await world.catalog.close()
  })

  it('has the lists of all that answer within seconds, however many hang', async () => {
    const hanging = Array.from({ length: 40 }, (_, index) => serverOf({ id: `hangs${index}` }))
    const upstreams = Object.fromEntries(
      hanging.map(({ id }) => [id, { answer: () => new Promise<JsonObject>(() => {}) }]),
    )
    const world = worldOf({
      servers: [...hanging, notes],
      upstreams: { ...upstreams, notes: { lists: { tools: toolsNamed('read') } } },
    })
    const started = world.catalog.start()
    await settled()
    await pass(world, defaultCatalogTiming.warmUpMs)
    await started
    expect(world.catalog.last(notes)).toMatchObject({ outcome: { status: 'ok' } })
    await world.catalog.close()
    expect(world.clock.pending).toBe(0)
  })
})

describe('refreshing on demand', () => {
  it('reads every kind of list now, also in spite of an open circuit, and says what each came to', async () => {
    const lists = { tools: toolsNamed('read'), prompts: [{ name: 'greet' }], resources: [{ uri: 'file:///a' }] }
    let failure: GatewayError | undefined
    const answer = (): Promise<JsonObject> | undefined => (failure ? Promise.reject(failure) : undefined)
    const world = worldOf({ servers: [notes], upstreams: { notes: { lists, answer } } })
    failure = unreachable()
    for (let count = 0; count < 6; count += 1) await world.call(callerOf(), 'notes-read').catch(() => undefined)
    expect(world.circuits.status(notes).state).toBe('open')
    expect(await world.catalog.refresh(notes, signal)).toMatchObject([
      { outcome: { status: 'unreachable' } },
      {},
      {},
      {},
    ])
    failure = undefined
    const refreshed = await world.catalog.refresh(notes, signal)
    expect(refreshed.map(({ kind, outcome, listing }) => [kind, outcome.status, listing?.items.length])).toEqual([
      ['tools', 'ok', 1],
      ['prompts', 'ok', 1],
      ['resources', 'ok', 1],
      ['resourceTemplates', 'ok', 0],
    ])
    expect(world.circuits.status(notes).state).toBe('closed')
    await world.catalog.close()
  })
})

describe('what callers bring', () => {
  const person = (id: string) => callerOf({ principal: principalOf({ id, userId: id }) })
  const attempts = 3 * defaultCircuitBounds.failures

  it('closes a server to nobody else: a credential that cannot be had, is refused or breaks the handshake', async () => {
    const failures = {
      missing: new GatewayError('UPSTREAM_SIGN_IN_REQUIRED', 'sign in'),
      refused: new GatewayError('UPSTREAM_CREDENTIAL_REJECTED', 'refused'),
      breaking: new GatewayError('UPSTREAM_TIMEOUT', 'slow', { details: { server: 'notes', stage: 'handshake' } }),
    }
    for (const failure of Object.values(failures)) {
      const world = worldOf({
        servers: [notes],
        upstreams: {
          notes: { answer: (_, { caller }) => (caller?.principal.id === 'eve' ? Promise.reject(failure) : undefined) },
        },
        credentials: {
          forCaller: async (_, { principal }) => {
            if (principal.id === 'eve' && failure === failures.missing) throw failure
            return bearerOf(principal.id, { scope: { kind: 'holder', holder: principal.id } })
          },
        },
      })
      for (let count = 0; count < attempts; count += 1) {
        await world.call(person('eve'), 'notes-read').catch(() => undefined)
      }
      expect(await world.call(person('ada'), 'notes-read')).toMatchObject({ server: 'notes' })
    }
  })

  it('shares the circuit that calls with the service’s credential opened', async () => {
    let down = false
    const world = worldOf({
      servers: [notes],
      upstreams: { notes: { answer: () => (down ? Promise.reject(unreachable()) : undefined) } },
      credentials: {
        forCaller: async (_, { principal }) =>
          principal.id === 'ada' ? bearerOf('ada', { scope: { kind: 'holder', holder: 'ada' } }) : credentialOf(),
      },
    })
    down = true
    for (let count = 0; count < attempts; count += 1) {
      await world.call(person('bob'), 'notes-read').catch(() => undefined)
    }
    await expect(world.call(person('ada'), 'notes-read')).rejects.toMatchObject({
      code: 'UPSTREAM_UNREACHABLE',
      details: { server: 'notes', retry_after_seconds: 5 },
    })
  })
})
