import { GatewayError, type Principal } from '@toolgate/core'
import { matchName } from './routing.ts'

/**
 * Whether a key may use a model: by name or pattern (`openai/*`). No name at all is every model, as in LiteLLM. Of an alias it is
 * enough to have the name behind it.
 */
export function permitsModel({ grants }: Principal, model: string, meaning = model): boolean {
  if (grants.models.size === 0) return true
  return [...grants.models].some((granted) => [model, meaning].some((name) => matchName(granted, name) !== undefined))
}

/** Rejects with `MODEL_NOT_ALLOWED`; clients match on LiteLLM's wording. */
export function authorizeModel(principal: Principal, model: string, meaning = model): void {
  if (permitsModel(principal, model, meaning)) return
  const granted = [...principal.grants.models].map((name) => `'${name}'`).join(', ')
  throw new GatewayError(
    'MODEL_NOT_ALLOWED',
    `key not allowed to access model. This key can only access models=[${granted}]. Tried to access ${model}`,
    { details: { model } },
  )
}
