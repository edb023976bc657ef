import type { AuthorizedCall, JsonObject, Layer } from '@toolgate/core'
import { enforce, type Guarding } from './enforce.ts'
import type { NamedGuardrail } from './guardrail-entry.ts'
import type { FoundText } from './texts.ts'
import { textsOfParams, textsOfResult, withTexts } from './texts.ts'
import { besides } from './besides.ts'

/** Guardrails around a request to an MCP server: its arguments before, or while, it runs, and its result after. */
export function guardCalls(guarding: Guarding): Layer<AuthorizedCall, JsonObject> {
  return (call, next) => {
    const guardrails = guarding.set.holdingFor(call.caller)
    return guardrails.length === 0 ? next(call) : guarded(guarding, { call, guardrails, next })
  }
}

interface GuardedCall {
  readonly call: AuthorizedCall
  readonly guardrails: readonly NamedGuardrail[]
  readonly next: (call: AuthorizedCall) => Promise<JsonObject>
}

async function guarded(guarding: Guarding, { call, guardrails, next }: GuardedCall): Promise<JsonObject> {
  const { signal } = call.caller
  const about = { server: call.target.server.name, tool: call.target.name }
  const judge = (mode: 'pre_mcp_call' | 'during_mcp_call' | 'post_mcp_call', slots: readonly FoundText[]) =>
    enforce(guarding, { call, guardrails, mode, slots, about, signal })

  const asked = textsOfParams(call.params)
  const changed = await judge('pre_mcp_call', asked)
  const params = changed === undefined ? call.params : withTexts(call.params, asked, changed)
  const result = await besides({
    judge: () => judge('during_mcp_call', textsOfParams(params)),
    run: (within) => next({ ...call, params, caller: { ...call.caller, signal: within } }),
    signal,
  })
  const answered = textsOfResult(result)
  const shown = await judge('post_mcp_call', answered)
  return shown === undefined ? result : withTexts(result, answered, shown)
}
