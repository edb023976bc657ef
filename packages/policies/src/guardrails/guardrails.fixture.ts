import { createOutbound, type JsonObject } from '@toolgate/core'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { countingIds } from '@toolgate/testing/llm-loop'
import type { GuardrailMode, Verdict } from './guardrail.ts'
import { toGuardrail } from './guardrail-entry.ts'

interface JudgeOptions {
  readonly structured?: boolean
  readonly signal?: AbortSignal
}

/** What a guardrail with these settings makes of the texts. */
export async function judge(
  params: JsonObject,
  texts: readonly string[],
  { structured = false, signal = new AbortController().signal }: JudgeOptions = {},
): Promise<Verdict> {
  const { guardrail, mode } = build(params)
  const slots = texts.map((text) => ({ text, structured }))
  const about = { server: 'srv', tool: 'echo', callId: 'call_1', traceId: 'trace_1', caller: { keyHash: 'hash' } }
  return guardrail.check({ slots, mode, ...about }, signal)
}

export function build(params: JsonObject) {
  const mode: GuardrailMode = params['guardrail'] === 'mark_untrusted' ? 'post_mcp_call' : 'pre_call'
  const entry = toGuardrail({ guardrail_name: 'g', litellm_params: { mode, ...params } })
  if (!entry.ok) throw new Error(JSON.stringify(entry.issues))
  const options = { outbound: createOutbound(), clock: fakeClock(), newId: countingIds() }
  return { guardrail: entry.create(options).guardrail, mode }
}
