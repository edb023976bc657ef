import { type Clock, GatewayError, untilAborted } from '@toolgate/core'
import type { Deployment } from '../deployment.ts'

/**
 * What is known of each deployment at the moment: requests under way, failures of the last minute, whether it cools down. Of
 * this process alone, and of the deployments in force: what a reload replaces begins anew.
 */
export interface DeploymentStates {
  inFlight(deployment: Deployment): number
  /** Waits for a place where the deployment has a limit. Rejects with `OVERLOADED` where too many wait. */
  enter(deployment: Deployment, signal: AbortSignal): Promise<Disposable>
  /** Milliseconds until it is asked again; 0: now. */
  coolingMs(deployment: Deployment): number
  cool(deployment: Deployment, ms: number): void
  /** Failures within a minute, this one among them. */
  countFailure(deployment: Deployment): number
}

interface State {
  inFlight: number
  readonly waiting: Set<() => void>
  /** When, in time that never goes back. */
  failures: number[]
  coolUntil: number
}

const failureWindowMs = 60_000
/** Beyond it nobody needs to know how many there were. */
const failuresKept = 1_000
/** Requests that wait for a place at one deployment. */
const maxWaiting = 1_000

export function createDeploymentStates(clock: Clock): DeploymentStates {
  const states = new WeakMap<Deployment, State>()
  const stateOf = (deployment: Deployment): State => {
    const known = states.get(deployment)
    if (known !== undefined) return known
    const state: State = { inFlight: 0, waiting: new Set(), failures: [], coolUntil: 0 }
    states.set(deployment, state)
    return state
  }

  return {
    inFlight: (deployment) => states.get(deployment)?.inFlight ?? 0,
    async enter(deployment, signal) {
      const state = stateOf(deployment)
      const limit = deployment.routing?.maxParallel
      if (limit !== undefined && state.inFlight >= limit) await placeAt(state, deployment, signal)
      else state.inFlight += 1
      return { [Symbol.dispose]: () => leave(state) }
    },
    coolingMs: (deployment) => Math.max(0, (states.get(deployment)?.coolUntil ?? 0) - clock.monotonic()),
    cool(deployment, ms) {
      const state = stateOf(deployment)
      state.coolUntil = Math.max(state.coolUntil, clock.monotonic() + ms)
      state.failures = []
    },
    countFailure(deployment) {
      const state = stateOf(deployment)
      const now = clock.monotonic()
      state.failures = [...state.failures.filter((at) => at > now - failureWindowMs), now].slice(-failuresKept)
      return state.failures.length
    },
  }
}

/** Whoever leaves hands its place to the one that waited longest. */
function leave(state: State): void {
  const [next] = state.waiting
  if (next === undefined) {
    state.inFlight -= 1
    return
  }
  state.waiting.delete(next)
  next()
}

async function placeAt(state: State, { modelName }: Deployment, signal: AbortSignal): Promise<void> {
  if (state.waiting.size >= maxWaiting) {
    throw new GatewayError('OVERLOADED', `Too many requests wait for the model "${modelName}". Try again later.`)
  }
  const { promise, resolve } = Promise.withResolvers<void>()
  state.waiting.add(resolve)
  try {
    await untilAborted(signal, () => promise)
  } catch (error) {
    // Handed a place in the very moment in which it gave up: the place goes on.
    if (!state.waiting.delete(resolve)) leave(state)
    throw error
  }
}
