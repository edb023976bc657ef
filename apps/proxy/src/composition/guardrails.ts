import { createGuardrailSet, type Guarding, type NamedGuardrail, toGuardrail } from '@toolgate/policies'
import type { GuardrailConfig } from '../config/guardrails.ts'
import type { Foundation } from '../foundation.ts'

/** The guardrails of the file, for both spines: built when they are first asked for after a start or a reload. */
export function composeGuardrails({ live, outbound, clock, newId, log, metrics }: Foundation): Guarding {
  let built: readonly NamedGuardrail[] = []
  let basis: readonly GuardrailConfig[] | undefined
  const current = () => {
    const { guardrails } = live.current.config
    if (guardrails === basis) return built
    built = guardrails.map((entry) => build(entry, { outbound, clock, newId }))
    basis = guardrails
    return built
  }
  return {
    set: createGuardrailSet(current),
    clock,
    log,
    onDecision: ({ policy, mode, outcome }) => metrics.countDecision({ guardrail: policy, mode, outcome }),
  }
}

function build(
  { definition }: GuardrailConfig,
  options: Pick<Foundation, 'outbound' | 'clock' | 'newId'>,
): NamedGuardrail {
  const entry = toGuardrail(JSON.parse(definition.reveal()))
  // It was read once before; a configuration with one that cannot be read does not come into force.
  if (!entry.ok) throw new TypeError('a guardrail that was checked cannot be built')
  return entry.create(options)
}
