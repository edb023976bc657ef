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

/** One server that lists a tool, or fails as the test says. */
function moodyWorld(options: Partial<WorldOptions> = {}) {
  const mood: { failure: GatewayError | undefined } = { failure: undefined }
  const answer = async (): Promise<JsonObject> => {
    if (mood.failure !== undefined) throw mood.failure
    return { tools: toolsNamed('read') }
  }
  const world = worldOf({ servers: [notes], upstreams: { notes: { answer } }, ...options })
  return { world, mood, health: healthOf(world) }
}

function unreachable(): GatewayError {
  return new GatewayError('UPSTREAM_UNREACHABLE', 'MCP server "notes" cannot be reached: connecting failed.', {
    details: { server: 'notes', stage: 'connect' },
  })
}

it('is unknown before the first attempt, then what the last one came to, with stage, time and since when', async () => {
  const { world, mood, health } = moodyWorld()
  const { clock } = world
  expect(health.last(notes)).toEqual({ status: 'unknown', circuit: 'closed' })

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
  const { mood, health } = moodyWorld()
  await health.check(notes, signal)
  for (const [code, status] of [
    ['UPSTREAM_SIGN_IN_REQUIRED', 'needs_auth'],
    ['UPSTREAM_UNREACHABLE', 'unhealthy'],
  ] as const) {
    mood.failure = new GatewayError(code, `because of ${code}`)
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
  expect(await health.check(notes, signal)).toMatchObject({ status: 'unhealthy' })
  failure = new GatewayError('UPSTREAM_ERROR', 'no such method')
  expect(await health.check(notes, signal)).toMatchObject({ status: 'healthy' })
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
