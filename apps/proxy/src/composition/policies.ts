import { type Guarding, type Limiting } from '@toolgate/policies'
import type { Foundation } from '../foundation.ts'
import { composeGuardrails } from './guardrails.ts'
import { composeLimits, type LimitsPart } from './limits.ts'

/** What both rings are made of: limits are the outer one, so that nothing is judged that may not run. */
export interface Rings {
  readonly limiting: Limiting
  readonly guarding: Guarding
}

export interface Policies extends Rings {
  readonly limiting: LimitsPart
}

export function composePolicies(foundation: Foundation): Policies {
  return { limiting: composeLimits(foundation), guarding: composeGuardrails(foundation) }
}
