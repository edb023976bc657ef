import { GatewayError, type ErrorCode, type UpstreamStage } from '@toolgate/core'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { expect, it } from 'vitest'
import { serverOf } from '../fake-world.fixture.ts'
import { createCircuits, defaultCircuitBounds } from './circuit.ts'

const notes = serverOf({ id: 'notes' })
const mail = serverOf({ id: 'mail' })
const { failures, coolDownMs, maxCoolDownMs, trialMs } = defaultCircuitBounds

function failure(code: ErrorCode = 'UPSTREAM_UNREACHABLE', stage: UpstreamStage = 'handshake', cause?: Error) {
  return new GatewayError(code, `because of ${code}`, { details: { server: 'notes', stage }, cause })
}

function circuitsOf() {
  const clock = fakeClock()
  const circuits = createCircuits({ clock })
  const fail = (times: number, { error = failure(), witness, despite = false }: FailOptions = {}) => {
    for (let count = 0; count < times; count += 1) {
      using passage = circuits.enter(notes, { despite })
      passage.failed(error, witness)
    }
  }
  const reach = (despite = false) => {
    using passage = circuits.enter(notes, { despite })
    passage.reached()
  }
  return { clock, circuits, fail, reach, state: () => circuits.status(notes).state }
}

interface FailOptions {
  readonly error?: unknown
  readonly witness?: string
  readonly despite?: boolean
}

it('opens after so many failures to reach the server in a row, and says since when and when the next attempt is', () => {
  const { clock, circuits, fail, reach, state } = circuitsOf()
  fail(failures - 1)
  reach()
  fail(failures - 1)
  expect(state()).toBe('closed')
  fail(1)
  expect(circuits.status(notes)).toEqual({ state: 'open', since: clock.now(), message: failure().message })
  clock.advance(1_500)
  let refusal: unknown
  try {
    circuits.enter(notes)
  } catch (error) {
    refusal = error
  }
  expect(refusal).toMatchObject({
    code: 'UPSTREAM_UNREACHABLE',
    message: expect.stringMatching(
      /"notes" has not been reached since 2026-01-01T00:00:00.000Z .* next attempt is in 4 s/,
    ),
    details: { server: 'notes', retry_after_seconds: 4, since: '2026-01-01T00:00:00.000Z' },
  })
  // Of this server alone, and of this revision of it.
  circuits.enter(mail)
  circuits.enter(serverOf({ id: 'notes', revision: '2' }))
})

it.each<[ErrorCode, UpstreamStage]>([
  ['UPSTREAM_TIMEOUT', 'call'],
  ['UPSTREAM_TIMEOUT', 'list'],
  ['UPSTREAM_UNREACHABLE', 'call'],
  ['UPSTREAM_TOKEN_UNAVAILABLE', 'credential'],
  ['UPSTREAM_TIMEOUT', 'credential'],
  ['UPSTREAM_CREDENTIAL_REJECTED', 'handshake'],
  ['UPSTREAM_SIGN_IN_REQUIRED', 'handshake'],
  ['UPSTREAM_ERROR', 'handshake'],
  ['UPSTREAM_PROTOCOL', 'handshake'],
  ['UPSTREAM_BUSY', 'connect'],
  ['CANCELLED', 'connect'],
])('never opens for %s at the stage %s', (code, stage) => {
  const { fail, state } = circuitsOf()
  fail(10 * failures, { error: failure(code, stage) })
  expect(state()).toBe('closed')
})

it('never opens for what is no failure of an upstream', () => {
  const { fail, state } = circuitsOf()
  fail(10 * failures, { error: new Error('ours') })
  expect(state()).toBe('closed')
})

it.each<[ErrorCode, UpstreamStage]>([
  ['UPSTREAM_TIMEOUT', 'connect'],
  ['UPSTREAM_TIMEOUT', 'handshake'],
  ['UPSTREAM_UNREACHABLE', 'connect'],
])('opens for %s at the stage %s', (code, stage) => {
  const { fail, state } = circuitsOf()
  fail(failures, { error: failure(code, stage) })
  expect(state()).toBe('open')
})

it('is not opened by what one caller brings, however often; by a socket that is refused it is', () => {
  const { fail, state } = circuitsOf()
  fail(10 * failures, { witness: 'eve' })
  expect(state()).toBe('closed')
  for (const witness of ['ada', 'bob', 'cem', 'dee']) fail(1, { witness })
  expect(state()).toBe('open')

  const other = circuitsOf()
  const cause = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })
  other.fail(failures, { witness: 'eve', error: failure('UPSTREAM_UNREACHABLE', 'connect', cause) })
  expect(other.state()).toBe('open')
})

it('lets one attempt through when its time has come, and closes with it', () => {
  const { clock, circuits, fail, state } = circuitsOf()
  fail(failures)
  clock.advance(coolDownMs)
  expect(state()).toBe('half_open')
  {
    using trial = circuits.enter(notes)
    expect(() => circuits.enter(notes)).toThrow('was not asked')
    trial.reached()
  }
  expect(state()).toBe('closed')
  circuits.enter(notes)
})

it('waits longer after each attempt that fails, up to its bound, and begins anew once closed', () => {
  const { clock, fail, reach, state } = circuitsOf()
  fail(failures)
  const waits = []
  for (let attempt = 0; attempt < 6; attempt += 1) {
    let waited = 0
    while (state() === 'open') {
      clock.advance(1_000)
      waited += 1_000
    }
    waits.push(waited)
    fail(1)
  }
  expect(waits).toEqual([coolDownMs, 10_000, 20_000, 40_000, maxCoolDownMs, maxCoolDownMs])
  clock.advance(maxCoolDownMs)
  reach()
  fail(failures)
  clock.advance(coolDownMs)
  expect(state()).toBe('half_open')
})

it('gives the passage on when an attempt proved nothing, or takes too long', () => {
  const { clock, circuits, fail } = circuitsOf()
  fail(failures)
  clock.advance(coolDownMs)
  fail(1, { error: failure('CANCELLED', 'connect') })
  using stuck = circuits.enter(notes)
  expect(() => circuits.enter(notes)).toThrow('was not asked')
  clock.advance(trialMs)
  using next = circuits.enter(notes)
  next.reached()
  stuck.failed(failure(), undefined)
  expect(circuits.status(notes).state).toBe('closed')
})

it('is passed by who asks in spite of it; a failure of theirs keeps nobody out longer', () => {
  const { clock, fail, reach, state } = circuitsOf()
  fail(failures)
  for (let second = 0; second < coolDownMs / 1_000; second += 1) {
    clock.advance(1_000)
    fail(1, { despite: true })
  }
  expect(state()).toBe('half_open')
  reach(true)
  expect(state()).toBe('closed')
})

it('is forgotten with the server or its revision, and in the number of servers', () => {
  const clock = fakeClock()
  const circuits = createCircuits({ clock, bounds: { ...defaultCircuitBounds, failures: 1, remembered: 2 } })
  const open = (id: string, revision = '1') => {
    using passage = circuits.enter(serverOf({ id, revision }))
    passage.failed(failure(), undefined)
  }
  const stateOf = (id: string) => circuits.status({ id, revision: '1' }).state
  open('a')
  circuits.retire('a', '1')
  expect(stateOf('a')).toBe('open')
  circuits.retire('a', '2')
  expect(stateOf('a')).toBe('closed')
  for (const id of ['a', 'b', 'c']) open(id)
  expect(['a', 'b', 'c'].map(stateOf)).toEqual(['closed', 'open', 'open'])
})

it('serves a good caller although a bad one asks every 20 ms', () => {
  const { clock, circuits, fail, state } = circuitsOf()
  fail(failures)
  const attempt = (principal: string) => {
    try {
      return circuits.enter(notes, { principal })
    } catch {
      return undefined
    }
  }
  const served: number[] = []
  for (let time = 0; time < 10 * maxCoolDownMs && served.length === 0; time += 20) {
    clock.advance(20)
    {
      using bad = attempt('eve')
      bad?.failed(failure(), 'eve')
    }
    // The other one asks seldom, and always after the bad one.
    if (time % 7_000 !== 0) continue
    using good = attempt('ada')
    if (good === undefined) continue
    good.reached()
    served.push(time)
  }
  expect(served).toHaveLength(1)
  expect(state()).toBe('closed')
})

it('lets the only caller try again after a longer wait, and after the usual one where no socket came about', () => {
  const cause = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })
  for (const [error, waitMs] of [
    [failure(), 4 * coolDownMs],
    [failure('UPSTREAM_UNREACHABLE', 'connect', cause), 2 * coolDownMs],
  ] as const) {
    const { clock, circuits, fail } = circuitsOf()
    fail(failures)
    clock.advance(coolDownMs)
    {
      using trial = circuits.enter(notes, { principal: 'ada' })
      trial.failed(error, 'ada')
    }
    clock.advance(waitMs - 1)
    expect(() => circuits.enter(notes, { principal: 'ada' })).toThrow('was not asked')
    clock.advance(1)
    circuits.enter(notes, { principal: 'ada' })
  }
})
