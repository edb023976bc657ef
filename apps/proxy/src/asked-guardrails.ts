import { type Caller, GatewayError, isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import type { GuardrailSet } from '@toolgate/policies'
import type { Context } from 'hono'
import type { AppEnv } from './app-env.ts'
import { addAnswerHeaders } from './middleware/answer-headers.ts'

/**
 * Takes out of a body which guardrails it asks for: LiteLLM's `guardrails`, which may also stand in its `metadata`. They hold for
 * everything that the request causes, beside those that hold for it anyway, and the answer says which they are.
 */
export function takeGuardrails(
  guardrails: GuardrailSet,
  context: Context<AppEnv>,
  asked: JsonObject,
): { caller: Caller; body: JsonObject } {
  const { guardrails: own, ...rest } = asked
  const metadata = isJsonObject(rest['metadata']) ? rest['metadata'] : {}
  const { guardrails: within, ...others } = metadata
  const names = [...namesIn(own), ...namesIn(within)]
  const caller = names.length === 0 ? context.var.caller : { ...context.var.caller, guardrails: names }
  const holding = guardrails.holdingFor(caller)
  if (holding.length > 0) {
    const applied = holding.map(({ name }) => name.replaceAll(/[^\x20-\x7e]/g, '?')).join(',')
    addAnswerHeaders(context, { 'x-litellm-applied-guardrails': applied })
  }
  return { caller, body: within === undefined ? rest : { ...rest, metadata: others } }
}

function namesIn(value: JsonValue | undefined): string[] {
  if (value === undefined || value === null) return []
  const names = Array.isArray(value) ? value : undefined
  if (names?.every((name) => typeof name === 'string') === true) return names
  throw new GatewayError('INVALID_REQUEST', 'guardrails: must be a list of names.', {
    details: { field: 'guardrails' },
  })
}
