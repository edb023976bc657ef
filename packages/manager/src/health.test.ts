import { GatewayError, type JsonObject } from '@toolgate/core'
import { openAuth } from '@toolgate/testing/server-definition'
import { expect, it } from 'vitest'
import { serverOf, toolsNamed, worldOf } from './fake-world.fixture.ts'
import { createHealth } from './health.ts'

const { signal } = new AbortController()
const notes = serverOf({ id: 'notes' })

it('is unknown before the first attempt, then what the last one came to', async () => {
  let failure: GatewayError | undefined
  const answer = async (): Promise<JsonObject> => {
    if (failure !== undefined) throw failure
    return { tools: toolsNamed('read') }
  }
  const { catalog, clock } = worldOf({ servers: [notes], upstreams: { notes: { answer } } })
  const health = createHealth({ catalog })
  expect(health.last(notes)).toEqual({ status: 'unknown' })

  expect(await health.check(notes, signal)).toEqual({ status: 'healthy', message: undefined, checkedAt: clock.now() })

  failure = new GatewayError('UPSTREAM_TIMEOUT', 'MCP server "notes" did not answer in time.')
  clock.advance(1_000)
  const unhealthy = { status: 'unhealthy', message: failure.message, checkedAt: clock.now() }
  expect(await health.check(notes, signal)).toEqual(unhealthy)
  expect(health.last(notes)).toEqual(unhealthy)
})

it('tells a server that came to need sign-in from a broken one, whatever it listed before', async () => {
  let failure: GatewayError | undefined
  const answer = async (): Promise<JsonObject> => {
    if (failure !== undefined) throw failure
    return { tools: toolsNamed('read') }
  }
  const { catalog } = worldOf({ servers: [notes], upstreams: { notes: { answer } } })
  const health = createHealth({ catalog })
  await health.check(notes, signal)
  for (const [code, status] of [
    ['UPSTREAM_SIGN_IN_REQUIRED', 'needs_auth'],
    ['UPSTREAM_UNREACHABLE', 'unhealthy'],
  ] as const) {
    failure = new GatewayError(code, `because of ${code}`)
    expect(await health.check(notes, signal)).toMatchObject({ status, message: failure.message })
    expect(health.last(notes)).toMatchObject({ status, message: failure.message })
  }
})

it('never asks a server that only a user’s credential opens', async () => {
  const mail = serverOf({ id: 'mail', auth: { ...openAuth, needsUserToken: true } })
  const { catalog, pool } = worldOf({ servers: [mail], upstreams: { mail: {} } })
  const health = createHealth({ catalog })
  expect(await health.check(mail, signal)).toMatchObject({ status: 'needs_auth' })
  expect(health.last(mail)).toMatchObject({ status: 'needs_auth', message: expect.stringContaining('mail') })
  expect(pool.acquired).toEqual([])
})

it('probes with the discovery credential where that differs from what users bring', async () => {
  const mail = serverOf({ id: 'mail', auth: { ...openAuth, needsUserToken: true }, discoveryAuth: openAuth })
  const { catalog } = worldOf({ servers: [mail], upstreams: { mail: {} } })
  expect(await createHealth({ catalog }).check(mail, signal)).toMatchObject({ status: 'healthy' })
})
