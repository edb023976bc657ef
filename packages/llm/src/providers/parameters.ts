import { GatewayError, type JsonObject, type JsonValue } from '@toolgate/core'
import type { CommonSettings } from './settings.ts'

/** LiteLLM's rules about parameters that a model does not take. */

/** What would change the answer and has no word elsewhere; other parameters of OpenAI's make no difference when they are lost. */
const inexpressible: ReadonlyMap<string, (value: JsonValue) => boolean> = new Map([
  ['n', (value: JsonValue) => typeof value === 'number' && value > 1],
  ['logprobs', (value: JsonValue) => value === true],
  ['logit_bias', (value: JsonValue) => JSON.stringify(value) !== '{}'],
  ['modalities', (value: JsonValue) => Array.isArray(value) && value.some((one) => one !== 'text')],
])

/**
 * A request to a provider of another dialect. Rejects a parameter that it cannot carry, or drops it where `drop_params`
 * says so.
 */
export function refuseUnsupported(body: JsonObject, settings: CommonSettings): JsonObject {
  const asked = withoutParameters(body, settings.additional_drop_params)
  const lost = Object.entries(asked).flatMap(([name, value]) =>
    value !== null && inexpressible.get(name)?.(value) === true ? [name] : [],
  )
  const [first] = lost
  if (first === undefined) return asked
  if (settings.drop_params === true) return withoutParameters(asked, lost)
  throw new GatewayError(
    'INVALID_REQUEST',
    `"${first}" is not supported by this model's provider. Leave it out, or set drop_params for the model.`,
    { details: { field: first } },
  )
}

export function withoutParameters(body: JsonObject, names: readonly string[] | undefined): JsonObject {
  if (names === undefined || !names.some((name) => name in body)) return body
  return Object.fromEntries(Object.entries(body).filter(([name]) => !names.includes(name)))
}
