import { contentFilter } from './content-filter.ts'
import type { GuardrailPlug } from './guardrail.ts'
import { httpGuardrail } from './http-guardrail.ts'
import { personalDataGuardrail } from './personal-data.ts'
import { secretsGuardrail } from './secrets.ts'
import { untrustedResults } from './untrusted-results.ts'

/** Every kind of guardrail there is: a new one is its file and a place in this list. */
export const guardrailPlugs: readonly GuardrailPlug[] = [
  contentFilter,
  personalDataGuardrail,
  secretsGuardrail,
  untrustedResults,
  httpGuardrail,
]
