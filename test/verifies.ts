import { it } from 'vitest'
import type { RequirementId } from './requirements.ts'

/** A test that proves a behaviour of `requirements.ts`. The name still states the guarantee. */
export function verifies(_id: RequirementId, guarantee: string, body: () => Promise<void> | void): void {
  it(guarantee, body)
}
