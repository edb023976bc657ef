import { type AuthorizedCall, GatewayError, isJsonObject, type JsonObject, type Layer } from '@toolgate/core'
import { enforce, type Guarding } from './enforce.ts'
import type { NamedGuardrail } from './guardrail-entry.ts'
import type { FoundText } from './texts.ts'
import { textsOfError, textsOfParams, textsOfResult, withTexts } from './texts.ts'
import { besides } from './besides.ts'

/** Guardrails around a request to an MCP server: its arguments before, or while, it runs, and after it its result or error. */
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

type Judge = (
  mode: 'pre_mcp_call' | 'during_mcp_call' | 'post_mcp_call',
  slots: readonly FoundText[],
  signal?: AbortSignal,
) => Promise<readonly string[] | undefined>

async function guarded(guarding: Guarding, { call, guardrails, next }: GuardedCall): Promise<JsonObject> {
  const { signal } = call.caller
  const about = { server: call.target.server.name, tool: call.target.name }
  const judge: Judge = (mode, slots, within = signal) =>
    enforce(guarding, { call, guardrails, mode, slots, about, signal: within })

  const asked = textsOfParams(call.params)
  const changed = await judge('pre_mcp_call', asked)
  const params = changed === undefined ? call.params : withTexts(call.params, asked, changed)
  const result = await besides({
    judge: (within) => judge('during_mcp_call', textsOfParams(params), within),
    run: (within) =>
      next({ ...call, params, caller: { ...call.caller, signal: within } }).catch(async (error: unknown) => {
        throw await judgedError(error, judge)
      }),
    signal,
  })
  const answered = textsOfResult(result)
  const shown = await judge('post_mcp_call', answered)
  return shown === undefined ? result : withTexts(result, answered, shown)
}

/** An error in the server's own words is read by people and models as its result is. */
async function judgedError(error: unknown, judge: Judge): Promise<unknown> {
  if (!(error instanceof GatewayError) || error.details.upstream === undefined) return error
  const { code, message, data } = error.details.upstream
  const told: unknown = { message, ...(data !== undefined && { data }) }
  if (!isJsonObject(told)) return error
  const texts = textsOfError(told)
  const shown = await judge('post_mcp_call', texts)
  if (shown === undefined) return error
  const { message: shownMessage, data: shownData } = withTexts(told, texts, shown)
  const upstream = {
    code,
    message: typeof shownMessage === 'string' ? shownMessage : message,
    ...(data !== undefined && { data: shownData }),
  }
  return new GatewayError(error.code, error.message, {
    ...(error.internal !== undefined && { internal: error.internal }),
    ...(error.cause !== undefined && { cause: error.cause }),
    details: { ...error.details, upstream },
  })
}
