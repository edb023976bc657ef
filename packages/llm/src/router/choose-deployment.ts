import type { Deployment } from '../deployment.ts'
import type { Route } from '../routing.ts'
import type { DeploymentStates } from './deployment-states.ts'
import type { RoutingStrategy } from './router-settings.ts'

export interface Choosing {
  readonly states: DeploymentStates
  readonly strategy: RoutingStrategy
  /** 0 ≤ value < 1. */
  readonly random: () => number
}

/**
 * Which of several is asked: of those that do not cool down and have a free place the ones of the lowest `order`, and among
 * them by the strategy. Where all of them cool down it is the one that is over it first: refusing would make an outage of a
 * doubt. Where none has a place, it is the one whose queue is the shortest for its size.
 */
export function chooseRoute(routes: readonly Route[], choosing: Choosing): Route | undefined {
  if (routes.length <= 1) return routes[0]
  const { states, strategy, random } = choosing
  const ready = routes.filter(({ deployment }) => states.coolingMs(deployment) === 0)
  if (ready.length === 0) return least(routes, ({ deployment }) => states.coolingMs(deployment), random)
  const free = ready.filter(({ deployment }) => loadOf(deployment, states) < 1)
  if (free.length === 0) return least(ready, ({ deployment }) => loadOf(deployment, states), random)
  const order = Math.min(...free.map(orderOf))
  const first = free.filter((route) => orderOf(route) === order)
  if (strategy === 'least-busy') return least(first, ({ deployment }) => states.inFlight(deployment), random)
  return weighted(first, random)
}

function orderOf({ deployment }: Route): number {
  return deployment.routing?.order ?? 0
}

/** 1: every place is taken. */
function loadOf(deployment: Deployment, states: DeploymentStates): number {
  const places = deployment.routing?.maxParallel
  return places === undefined ? 0 : states.inFlight(deployment) / places
}

function least(routes: readonly Route[], cost: (route: Route) => number, random: () => number): Route | undefined {
  // Each cost is asked for once: a cooldown is shorter when it is looked at again, and nothing would equal the least.
  const costs = routes.map(cost)
  const smallest = Math.min(...costs)
  const equals = routes.filter((_, at) => costs[at] === smallest)
  return equals[Math.floor(random() * equals.length)]
}

/** As in LiteLLM: by `weight` where one of them has it, else by `rpm`, else by `tpm`, else evenly. */
function weighted(routes: readonly Route[], random: () => number): Route | undefined {
  const measure = (['weight', 'rpm', 'tpm'] as const).find((name) =>
    routes.some(({ deployment }) => (deployment.routing?.[name] ?? 0) > 0),
  )
  if (measure === undefined) return routes[Math.floor(random() * routes.length)]
  const weights = routes.map(({ deployment }) => deployment.routing?.[measure] ?? 0)
  let left = random() * weights.reduce((sum, weight) => sum + weight, 0)
  for (const [index, route] of routes.entries()) {
    left -= weights[index] ?? 0
    if (left < 0) return route
  }
  return routes.at(-1)
}
