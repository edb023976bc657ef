import { createHash } from 'node:crypto'
import type { Deployment } from './deployment.ts'

/** A deployment that has its name among all of them. */
export type NamedDeployment = Deployment & { readonly id: string }

/**
 * Gives every deployment an id: the entry's own (`model_info.id`), else a hash of what it is, so that it stays the same as long
 * as the entry names the same model, and stands where it stood among equals.
 */
export function withIds(deployments: readonly Deployment[]): readonly NamedDeployment[] {
  const equals = new Map<string, number>()
  return deployments.map((deployment) => {
    const { modelName, upstreamModel, provider } = deployment
    const named = JSON.stringify([modelName, provider.type, upstreamModel])
    const ordinal = equals.get(named) ?? 0
    equals.set(named, ordinal + 1)
    const id = createHash('sha256').update(`${named} ${ordinal}`).digest('hex').slice(0, 32)
    return isNamed(deployment) ? deployment : { ...deployment, id }
  })
}

function isNamed(deployment: Deployment): deployment is NamedDeployment {
  return deployment.id !== undefined
}
