import type { Deployment } from './deployment.ts'

/** Finds who serves a model name. Pure but for `random`, which spreads requests over the deployments of one name. */

/** Matches a name against a pattern with at most one `*`; answers what the star stood for (empty without one). */
export function matchName(pattern: string, name: string): string | undefined {
  const star = pattern.indexOf('*')
  if (star === -1) return pattern === name ? '' : undefined
  const prefix = pattern.slice(0, star)
  const suffix = pattern.slice(star + 1)
  const fits = name.length >= prefix.length + suffix.length && name.startsWith(prefix) && name.endsWith(suffix)
  return fits ? name.slice(prefix.length, name.length - suffix.length) : undefined
}

export interface Route {
  readonly deployment: Deployment
  /** The provider's own name of the model. */
  readonly model: string
}

/** An exact name beats every pattern, a longer pattern beats a shorter one; equals share the load evenly at random. */
export function findRoute(deployments: readonly Deployment[], name: string, random: () => number): Route | undefined {
  const pattern = bestPattern(deployments, name)
  if (pattern === undefined) return undefined
  const candidates = deployments.filter(({ modelName }) => modelName === pattern)
  const deployment = candidates[Math.floor(random() * candidates.length)]
  const matched = matchName(pattern, name) ?? ''
  return deployment && { deployment, model: deployment.upstreamModel.replace('*', () => matched) }
}

/** Everything that may serve a name. */
export function findRoutes(deployments: readonly Deployment[], name: string): readonly Deployment[] {
  const pattern = bestPattern(deployments, name)
  return deployments.filter(({ modelName }) => modelName === pattern)
}

function bestPattern(deployments: readonly Deployment[], name: string): string | undefined {
  const patterns = deployments.map(({ modelName }) => modelName)
  if (patterns.includes(name)) return name
  return patterns
    .filter((pattern) => pattern.includes('*') && matchName(pattern, name) !== undefined)
    .toSorted((left, right) => right.length - left.length)[0]
}
