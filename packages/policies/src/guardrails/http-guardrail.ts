import { definePlug, Secret, secretSchema, startDeadline } from '@toolgate/core'
import { z } from 'zod'
import { type Guardrail, GuardrailFault, type GuardrailOptions, type Subject, type Verdict } from './guardrail.ts'

/**
 * Somebody else's guardrail over HTTP, in the shape of LiteLLM's generic guardrail API: it is sent the texts and who asks, and
 * answers whether they are blocked or what they become. Its address is the operator's; callers' credentials never go there.
 */

const path = '/beta/litellm_basic_guardrail_api'
const maxAnswerBytes = 32_000_000
const maxReasonLength = 500

const schema = z.object({
  api_base: z.url({ protocol: /^https?$/ }),
  api_key: z.union([secretSchema, z.instanceof(Secret)]).optional(),
  headers: z.record(z.string(), z.string()).default({}),
  additional_provider_specific_params: z.record(z.string(), z.unknown()).default({}),
  /** Seconds. */
  timeout: z.coerce.number().positive().max(600).default(10),
})

const answerSchema = z.looseObject({
  action: z.enum(['BLOCKED', 'NONE', 'GUARDRAIL_INTERVENED']),
  blocked_reason: z.string().nullish(),
  texts: z.array(z.string()).nullish(),
})

export const httpGuardrail = definePlug({
  type: 'generic_guardrail_api',
  schema,
  create: (settings, options: GuardrailOptions): Guardrail => ({
    // It may need all of a text to judge it.
    window: undefined,
    async check(subject, signal) {
      if (subject.slots.length === 0) return { outcome: 'allowed' }
      return toVerdict(await ask(settings, options, { subject, signal }), subject)
    },
  }),
})

interface Asking {
  readonly subject: Subject
  readonly signal: AbortSignal
}

async function ask(
  settings: z.output<typeof schema>,
  { outbound, clock }: GuardrailOptions,
  { subject, signal }: Asking,
): Promise<z.output<typeof answerSchema>> {
  const timeoutMs = settings.timeout * 1_000
  using deadline = startDeadline(clock, timeoutMs, signal)
  const base = settings.api_base.replace(/\/+$/, '')
  const response = await outbound.request({
    url: base.endsWith(path) ? base : `${base}${path}`,
    method: 'POST',
    headers: {
      ...settings.headers,
      'content-type': 'application/json',
      accept: 'application/json',
      ...(settings.api_key !== undefined && { 'x-api-key': settings.api_key.reveal() }),
    },
    body: JSON.stringify(toBody(subject, settings.additional_provider_specific_params)),
    signal: deadline.signal,
    headersTimeoutMs: timeoutMs,
    bodyTimeoutMs: timeoutMs,
  })
  const text = await response.text(maxAnswerBytes)
  if (response.status !== 200) throw new GuardrailFault(`its service answered with ${response.status}`)
  return readAnswer(text)
}

/** Errors of parsers quote what they read, which may be a caller's text. */
function readAnswer(text: string): z.output<typeof answerSchema> {
  try {
    return answerSchema.parse(JSON.parse(text))
  } catch {
    throw new GuardrailFault('its service answered with something else than a verdict')
  }
}

/** Who asks is told by hash and names, and never by a credential. */
function toBody({ slots, mode, callId, traceId, caller, model, server, tool }: Subject, params: object): object {
  return {
    texts: slots.map(({ text }) => text),
    input_type: mode.startsWith('post_') ? 'response' : 'request',
    litellm_call_id: callId,
    litellm_trace_id: traceId,
    request_data: {
      user_api_key_hash: caller.keyHash,
      user_api_key_alias: caller.keyAlias ?? null,
      user_api_key_user_id: caller.userId ?? null,
      user_api_key_team_id: caller.teamId ?? null,
    },
    ...(model !== undefined && { model }),
    ...(server !== undefined && { mcp_server_name: server, mcp_tool_name: tool ?? null }),
    additional_provider_specific_params: params,
  }
}

function toVerdict(
  { action, blocked_reason: reason, texts }: z.output<typeof answerSchema>,
  { slots }: Subject,
): Verdict {
  if (action === 'NONE') return { outcome: 'allowed' }
  if (action === 'BLOCKED') {
    return { outcome: 'denied', reason: (reason ?? 'the guardrail service blocks it').slice(0, maxReasonLength) }
  }
  if (texts == null || texts.length !== slots.length)
    throw new GuardrailFault('its service answered with other texts than it was sent')
  const count = slots.filter(({ text }, index) => text !== texts[index]).length
  return count === 0 ? { outcome: 'allowed' } : { outcome: 'changed', texts, count }
}
