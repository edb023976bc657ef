import { GatewayError, type JsonObject } from '@toolgate/core'
import { openAuth } from '@toolgate/testing/server-definition'
import { callerOf } from '@toolgate/testing/callers'
import { describe, expect, it } from 'vitest'
import { credentialOf, serverOf, toolsNamed, type World, worldOf, type WorldOptions } from './fake-world.fixture.ts'
import { createHealth } from './health.ts'
import { defaultCircuitBounds } from './upstream/circuit.ts'

const { signal } = new AbortController()
const notes = serverOf({ id: 'notes' })
const settled = () => new Promise<void>((resolve) => setImmediate(resolve))

const healthOf = (world: World) => createHealth(world)

interface Mood {
  failure: GatewayError | undefined
  answer?: () => Promise<JsonObject>
}

/** One server that lists a tool, or fails as the test says. */
function moodyWorld(options: Partial<WorldOptions> = {}) {
  const mood: Mood = { failure: undefined }
  const answer = async (): Promise<JsonObject> => {
    if (mood.answer !== undefined) return mood.answer()
    if (mood.failure !== undefined) throw mood.failure
    return { tools: toolsNamed('read') }
  }
  const world = worldOf({ servers: [notes], upstreams: { notes: { answer } }, ...options })
  return { world, mood, health: healthOf(world) }
}

const refusedConnection = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })

function unreachable(): GatewayError {
  return new GatewayError('UPSTREAM_UNREACHABLE', 'MCP server "notes" cannot be reached: connecting failed.', {
    details: { server: 'notes', stage: 'connect' },
    cause: refusedConnection,
  })
}

it('is unknown before the first attempt, then what the last one came to, with stage, time and since when', async () => {
  const { world, mood, health } = moodyWorld()
  const { clock } = world
  expect(health.last(notes)).toEqual({ status: 'unknown', circuit: 'closed', held: [] })

  const started = clock.now()
  expect(await health.check(notes, signal)).toMatchObject({ status: 'healthy', since: started, checkedAt: started })

  mood.failure = unreachable()
  clock.advance(1_000)
  const since = clock.now()
  const unhealthy = { status: 'unhealthy', stage: 'connect', message: mood.failure.message, since, circuit: 'closed' }
  expect(await health.check(notes, signal)).toMatchObject({ ...unhealthy, checkedAt: since, failures: 1 })
  clock.advance(1_000)
  mood.failure = new GatewayError('UPSTREAM_TIMEOUT', 'too slow', { details: { server: 'notes', stage: 'list' } })
  await health.check(notes, signal)
  expect(health.last(notes)).toMatchObject({
    status: 'unhealthy',
    stage: 'list',
    since,
    checkedAt: clock.now(),
    failures: 2,
  })

  mood.failure = undefined
  clock.advance(1_000)
  expect(await health.check(notes, signal)).toMatchObject({ status: 'healthy', since: clock.now(), failures: 0 })
})

it('measures how long the attempt took', async () => {
  const clockAdvancing = async (): Promise<JsonObject> => {
    world.clock.advance(123)
    return { tools: [] }
  }
  const world = worldOf({ servers: [notes], upstreams: { notes: { answer: clockAdvancing } } })
  expect(await healthOf(world).check(notes, signal)).toMatchObject({ latencyMs: 123 })
})

it('tells a server that came to need sign-in from a broken one, whatever it listed before', async () => {
  const { world, mood, health } = moodyWorld()
  await health.check(notes, signal)
  for (const [code, status] of [
    ['UPSTREAM_SIGN_IN_REQUIRED', 'needs_auth'],
    ['UPSTREAM_UNREACHABLE', 'unhealthy'],
  ] as const) {
    mood.failure = new GatewayError(code, `because of ${code}`)
    world.clock.advance(1_000)
    expect(await health.check(notes, signal)).toMatchObject({ status, message: mood.failure.message })
    expect(health.last(notes)).toMatchObject({ status, message: mood.failure.message })
  }
})

it('never asks a server that only a user’s credential opens', async () => {
  const mail = serverOf({ id: 'mail', auth: { ...openAuth, needsUserToken: true } })
  const world = worldOf({ servers: [mail], upstreams: { mail: {} } })
  const health = healthOf(world)
  expect(await health.check(mail, signal)).toMatchObject({ status: 'needs_auth' })
  expect(health.last(mail)).toMatchObject({ status: 'needs_auth', message: expect.stringContaining('mail') })
  expect(world.pool.acquired).toEqual([])
})

it('probes with the discovery credential where that differs from what users bring', async () => {
  const mail = serverOf({ id: 'mail', auth: { ...openAuth, needsUserToken: true }, discoveryAuth: openAuth })
  const world = worldOf({ servers: [mail], upstreams: { mail: {} } })
  expect(await healthOf(world).check(mail, signal)).toMatchObject({ status: 'healthy' })
})

it('is unhealthy at the stage of the credential where the service’s token cannot be had', async () => {
  const forDiscovery = async () => {
    throw new GatewayError('UPSTREAM_TOKEN_UNAVAILABLE', 'No access token for server "notes".', {
      details: { server: 'notes', stage: 'credential' },
    })
  }
  const { health } = moodyWorld({ credentials: { forDiscovery } })
  expect(await health.check(notes, signal)).toMatchObject({ status: 'unhealthy', stage: 'credential' })
})

it('asks also a server without tools whether it is there: a connection from before proves nothing', async () => {
  let failure: GatewayError | undefined
  const answer = async (): Promise<JsonObject> => {
    if (failure !== undefined) throw failure
    return {}
  }
  const world = worldOf({ servers: [notes], upstreams: { notes: { answer, capabilities: { prompts: {} } } } })
  const health = healthOf(world)
  expect(await health.check(notes, signal)).toMatchObject({ status: 'healthy' })
  failure = unreachable()
  world.clock.advance(1_000)
  expect(await health.check(notes, signal)).toMatchObject({ status: 'unhealthy' })
  failure = new GatewayError('UPSTREAM_ERROR', 'no such method')
  world.clock.advance(1_000)
  expect(await health.check(notes, signal)).toMatchObject({ status: 'healthy' })
})

describe('whoever asks', () => {
  const hanging = { answer: () => new Promise<JsonObject>(() => {}) }

  it('is answered by an attempt of a moment ago, and shares one that is under way', async () => {
    const { world, health } = moodyWorld()
    await Promise.all([health.check(notes, signal), health.check(notes, signal), health.look(notes, signal)])
    expect(world.pool.sent).toHaveLength(1)
    world.clock.advance(999)
    await health.check(notes, signal)
    expect(world.pool.sent).toHaveLength(1)
    world.clock.advance(1)
    await health.check(notes, signal)
    expect(world.pool.sent).toHaveLength(2)
  })

  it('is answered within ten seconds by a server that hangs: with a time-out, or with what is known to be wrong', async () => {
    const { world, mood, health } = moodyWorld()
    const stuck = serverOf({ id: 'stuck' })
    const slow = worldOf({ servers: [stuck], upstreams: { stuck: hanging } })
    const asked = healthOf(slow).check(stuck, signal)
    await settled()
    slow.clock.advance(10_000)
    expect(await asked).toMatchObject({ status: 'unhealthy', outcome: 'timeout', latencyMs: 10_000 })
    await slow.catalog.close()

    mood.failure = unreachable()
    await health.check(notes, signal)
    world.clock.advance(1_000)
    mood.answer = () => new Promise<JsonObject>(() => {})
    const again = health.check(notes, signal)
    await settled()
    world.clock.advance(10_000)
    expect(await again).toMatchObject({ status: 'unhealthy', outcome: 'unreachable', stage: 'connect' })
    await world.catalog.close()
  })

  it('about a hundred servers that hang sets no more attempts going than the background does', async () => {
    const servers = Array.from({ length: 100 }, (_, index) => serverOf({ id: `s${index}` }))
    const upstreams = Object.fromEntries(servers.map(({ id }) => [id, hanging]))
    const world = worldOf({ servers, upstreams })
    const health = healthOf(world)
    const asked = Promise.all(servers.map((server) => health.check(server, signal)))
    await settled()
    expect(world.pool.sent).toHaveLength(16)
    for (let second = 0; second < 10; second += 1) {
      world.clock.advance(1_000)
      await settled()
    }
    expect(new Set((await asked).map(({ status }) => status))).toEqual(new Set(['unhealthy']))
    expect(world.pool.sent.length).toBeLessThanOrEqual(80)
    await world.catalog.close()
  })

  it('and is no administrator is told what is known behind an open circuit, and nobody is asked', async () => {
    const { world, mood, health } = moodyWorld()
    await health.check(notes, signal)
    mood.failure = unreachable()
    const call = () => world.call(callerOf(), 'notes-read').catch((error: unknown) => error)
    for (let count = 0; count < defaultCircuitBounds.failures; count += 1) await call()
    world.clock.advance(2_000)
    const sent = world.pool.sent.length
    expect(await health.look(notes, signal)).toMatchObject({ status: 'unhealthy', circuit: 'open' })
    expect(world.pool.sent).toHaveLength(sent)
    mood.failure = undefined
    expect(await health.check(notes, signal)).toMatchObject({ status: 'healthy', circuit: 'closed' })
  })
})

describe('what calls learn', () => {
  const call = (world: World) => world.call(callerOf(), 'notes-read').catch((error: unknown) => error)

  it('shows a server as unhealthy once calls cannot reach it, though its last probe was good', async () => {
    const { world, mood, health } = moodyWorld()
    await world.catalog.start()
    expect(health.last(notes)).toMatchObject({ status: 'healthy', circuit: 'closed' })
    mood.failure = unreachable()
    for (let count = 0; count < defaultCircuitBounds.failures; count += 1) await call(world)
    const opened = world.clock.now()
    expect(health.last(notes)).toMatchObject({
      status: 'unhealthy',
      stage: 'connect',
      circuit: 'open',
      since: opened,
      message: mood.failure.message,
    })
    world.clock.advance(defaultCircuitBounds.coolDownMs)
    expect(health.last(notes)).toMatchObject({ status: 'unhealthy', circuit: 'half_open' })
    await world.catalog.close()
  })

  it('brings the next probe near when a call reaches a server that was thought to be down', async () => {
    const { world, mood, health } = moodyWorld({ credentials: { forDiscovery: async () => credentialOf() } })
    mood.failure = unreachable()
    await world.catalog.start()
    // After ten minutes of failures the next attempt is many minutes away.
    for (let count = 0; count < 60; count += 1) {
      world.clock.advance(10_000)
      await settled()
    }
    expect(health.last(notes)).toMatchObject({ status: 'unhealthy' })
    mood.failure = undefined
    world.clock.advance(60_000)
    await settled()
    expect(health.last(notes).status).toBe('unhealthy')
    await call(world)
    world.clock.advance(15_000)
    await settled()
    expect(health.last(notes)).toMatchObject({ status: 'healthy', circuit: 'closed' })
    await world.catalog.close()
  })
})

it('remembers when each server came to be what it is, not every probe', async () => {
  const { world, mood, health } = moodyWorld()
  for (const failure of [undefined, undefined, unreachable(), unreachable(), undefined]) {
    mood.failure = failure
    world.clock.advance(1_000)
    await health.check(notes, signal)
  }
  expect(health.history().map(({ serverId, health: { status } }) => [serverId, status])).toEqual([
    ['notes', 'healthy'],
    ['notes', 'unhealthy'],
    ['notes', 'healthy'],
  ])
})

it('tells of each change once, whether a probe or calls found it, with what the system called it', async () => {
  const { world, mood, health } = moodyWorld()
  const heard: unknown[] = []
  health.watch(({ record, before }) => {
    const { status, circuit, outcome, stage, cause } = record.health
    heard.push([before?.status, status, circuit, outcome, stage, cause])
  })
  const call = () => world.call(callerOf(), 'notes-read').catch((error: unknown) => error)
  await health.check(notes, signal)
  mood.failure = unreachable()
  for (let count = 0; count < 50; count += 1) await call()
  const down = ['unhealthy', 'open', 'unreachable', 'connect', 'ECONNREFUSED']
  const first = [undefined, 'healthy', 'closed', 'ok', undefined, undefined]
  expect(heard).toEqual([first, ['healthy', ...down]])
  expect(health.history()[0]).toMatchObject({ at: world.clock.now(), health: { status: 'unhealthy', circuit: 'open' } })
  // An attempt that is let through and fails keeps it open: nothing has changed.
  world.clock.advance(defaultCircuitBounds.coolDownMs)
  await call()
  expect(heard).toHaveLength(2)
  mood.failure = undefined
  world.clock.advance(4 * defaultCircuitBounds.coolDownMs)
  await call()
  expect(heard.at(-1)).toEqual(['unhealthy', 'healthy', 'closed', 'ok', undefined, undefined])
  expect(heard).toHaveLength(3)
})
