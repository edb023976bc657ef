import { fakeClock } from '@toolgate/testing/fake-clock'
import { describe, expect, it } from 'vitest'
import type { DeploymentRouting } from '../deployment-routing.ts'
import type { Route } from '../routing.ts'
import { chooseRoute } from './choose-deployment.ts'
import { createDeploymentStates } from './deployment-states.ts'
import type { RoutingStrategy } from './router-settings.ts'

const provider = { type: 'fake', generate: async () => ({}), stream: async () => (async function* () {})() }
const route = (model: string, routing: DeploymentRouting = {}): Route => ({
  model,
  deployment: { modelName: 'm', upstreamModel: model, provider, routing },
})
const signal = new AbortController().signal

function setup(strategy: RoutingStrategy = 'simple-shuffle') {
  const states = createDeploymentStates(fakeClock())
  const choose = (routes: readonly Route[], random = 0) =>
    chooseRoute(routes, { states, strategy, random: () => random })?.model
  return { states, choose }
}

describe('which deployment is asked', () => {
  it.each([
    ['weight', 0.24, 'a'],
    ['weight', 0.26, 'b'],
    ['rpm', 0.24, 'a'],
    ['tpm', 0.26, 'b'],
  ] as const)('goes by %s', (measure, random, chosen) => {
    expect(setup().choose([route('a', { [measure]: 1 }), route('b', { [measure]: 3 })], random)).toBe(chosen)
  })

  it('goes by weight where one of them has it, and one without has none', () => {
    const routes = [route('a', { rpm: 1_000 }), route('b', { weight: 1 })]
    for (const random of [0, 0.5, 0.99]) expect(setup().choose(routes, random)).toBe('b')
  })

  it('is evenly any, of the lowest order', () => {
    const routes = [route('a', { order: 2 }), route('b', { order: 1 }), route('c', { order: 1 })]
    expect([0, 0.49, 0.5, 0.99].map((random) => setup().choose(routes, random))).toEqual(['b', 'b', 'c', 'c'])
  })

  it('is the least busy one where the file says so', async () => {
    const { states, choose } = setup('least-busy')
    const [busy, idle] = [route('busy', { weight: 9 }), route('idle')]
    const place = await states.enter(busy.deployment, signal)
    expect(choose([busy, idle])).toBe('idle')
    await states.enter(idle.deployment, signal)
    place[Symbol.dispose]()
    expect(choose([busy, idle], 0.99)).toBe('busy')
  })

  it('is one with a free place, and where none has one the one that is least overfull', async () => {
    const { states, choose } = setup()
    const [small, large] = [route('small', { maxParallel: 1 }), route('large', { maxParallel: 3 })]
    await states.enter(small.deployment, signal)
    expect(choose([small, large])).toBe('large')
    for (let at = 0; at < 3; at += 1) await states.enter(large.deployment, signal)
    void states.enter(small.deployment, signal)
    expect(choose([small, large], 0.99)).toBe('large')
  })

  it('is no one that cools down, and where all do the one that is over it first', () => {
    const { states, choose } = setup()
    const [one, other] = [route('one'), route('other')]
    states.cool(one.deployment, 9_000)
    expect(choose([one, other])).toBe('other')
    states.cool(other.deployment, 5_000)
    expect(choose([one, other])).toBe('other')
  })

  it('is one of them also while time goes on', () => {
    let coolingMs = 1_000
    const states = { ...createDeploymentStates(fakeClock()), coolingMs: () => (coolingMs -= 1) }
    const choosing = { states, strategy: 'simple-shuffle', random: () => 0 } as const
    expect(chooseRoute([route('one'), route('other')], choosing)).toBeDefined()
  })
})

describe('a deployment with places', () => {
  it('hands a place to who waited longest, and to nobody who left', async () => {
    const { states } = setup()
    const { deployment } = route('a', { maxParallel: 1 })
    const place = await states.enter(deployment, signal)
    const left = new AbortController()
    const gone = states.enter(deployment, left.signal)
    const waiting = states.enter(deployment, signal)
    left.abort()
    await expect(gone).rejects.toThrow('aborted')
    place[Symbol.dispose]()
    ;(await waiting)[Symbol.dispose]()
    expect(states.inFlight(deployment)).toBe(0)
  })

  it('lets no more wait than there is room for', async () => {
    const { states } = setup()
    const { deployment } = route('a', { maxParallel: 1 })
    await states.enter(deployment, signal)
    for (let at = 0; at < 1_000; at += 1) void states.enter(deployment, signal)
    await expect(states.enter(deployment, signal)).rejects.toMatchObject({ code: 'OVERLOADED' })
  })
})
