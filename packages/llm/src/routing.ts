import type { Deployment } from './deployment.ts'

/** Finds who serves a model name. */

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

/** Everything that may serve a name: an exact name beats every pattern, a longer pattern a shorter one. */
export function findRoutes(deployments: readonly Deployment[], name: string): readonly Route[] {
  const pattern = bestPattern(deployments, name)
  if (pattern === undefined) return []
  const matched = matchName(pattern, name) ?? ''
  return deployments
    .filter(({ modelName }) => modelName === pattern)
    .map((deployment) => ({ deployment, model: deployment.upstreamModel.replace('*', () => matched) }))
}

function bestPattern(deployments: readonly Deployment[], name: string): string | undefined {
  const patterns = deployments.map(({ modelName }) => modelName)
  if (patterns.includes(name)) return name
  return patterns
    .filter((pattern) => pattern.includes('*') && matchName(pattern, name) !== undefined)
    .toSorted((left, right) => right.length - left.length)[0]
}

export function isServed(deployments: readonly Deployment[], name: string): boolean {
  return bestPattern(deployments, name) !== undefined
}
