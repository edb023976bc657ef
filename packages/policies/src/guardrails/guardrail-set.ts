import { type Caller, GatewayError, type Principal } from '@toolgate/core'
import type { NamedGuardrail } from './guardrail-entry.ts'

/** Which guardrails hold for whom: those for everybody, those of the key, and those that the request asks for beside them. */
export interface GuardrailSet {
  /**
   * In the order of the file. Rejects with `INVALID_REQUEST` where the request names one that there is not, and with
   * `GUARDRAIL_UNAVAILABLE` where the key does.
   */
  holdingFor(caller: Pick<Caller, 'principal' | 'guardrails'>): readonly NamedGuardrail[]
}

export function createGuardrailSet(current: () => readonly NamedGuardrail[]): GuardrailSet {
  // Principals are kept as long as their key is what it was; so is what holds for them, until the file changes.
  let known = new WeakMap<Principal, readonly NamedGuardrail[]>()
  let basis: readonly NamedGuardrail[] | undefined

  return {
    holdingFor({ principal, guardrails: asked = [] }) {
      const all = current()
      if (all !== basis) {
        basis = all
        known = new WeakMap()
      }
      let ofKey = known.get(principal)
      if (ofKey === undefined) {
        ofKey = heldBy(principal, all)
        known.set(principal, ofKey)
      }
      if (asked.length === 0) return ofKey
      const unknown = asked.find((name) => !all.some((each) => each.name === name))
      if (unknown !== undefined) throw unknownToRequest(unknown)
      return all.filter((each) => ofKey.includes(each) || asked.includes(each.name))
    },
  }
}

function heldBy({ guardrails }: Principal, all: readonly NamedGuardrail[]): readonly NamedGuardrail[] {
  const { names, withoutDefaults } = guardrails ?? { names: [], withoutDefaults: false }
  const missing = names.find((name) => !all.some((each) => each.name === name))
  // Closed: whoever gave the key this name wanted its calls checked.
  if (missing !== undefined) {
    throw new GatewayError('GUARDRAIL_UNAVAILABLE', `The guardrail "${missing}" of this key is not configured.`)
  }
  return all.filter(({ name, defaultOn }) => (defaultOn && !withoutDefaults) || names.includes(name))
}

function unknownToRequest(name: string): GatewayError {
  return new GatewayError('INVALID_REQUEST', `guardrails: there is no guardrail "${name.slice(0, 128)}".`, {
    details: { field: 'guardrails' },
  })
}
