import { GatewayError, type Principal } from '@toolgate/core'
import { matchName } from './routing.ts'

/** Whether a key may use a model: by name or pattern (`openai/*`). No name at all is every model, as in LiteLLM. */
export function permitsModel({ grants }: Principal, model: string): boolean {
  return grants.models.size === 0 || [...grants.models].some((granted) => matchName(granted, model) !== undefined)
}

/** Rejects with `MODEL_NOT_ALLOWED`; clients match on LiteLLM's wording. */
export function authorizeModel(principal: Principal, model: string): void {
  if (permitsModel(principal, model)) return
  const granted = [...principal.grants.models].map((name) => `'${name}'`).join(', ')
  throw new GatewayError(
    'MODEL_NOT_ALLOWED',
    `key not allowed to access model. This key can only access models=[${granted}]. Tried to access ${model}`,
    { details: { model } },
  )
}
