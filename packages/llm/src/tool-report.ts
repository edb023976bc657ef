import { isJsonObject, type JsonObject, type JsonValue, type ServerOutcome } from '@toolgate/core'
import type { Decision } from './call-decision.ts'
import type { ToolOutcome } from './dialects/dialect.ts'
import type { LoopTool } from './loop-tool.ts'
import { outcomeFields } from './server-outcomes.ts'
import { toFunctionTool } from './tool-mapping.ts'

/** Which bound ended the tool calls of a request. */
export type LimitReached = 'rounds' | 'calls' | 'time' | 'tokens' | 'spend'

export interface ToolReport {
  /** Calls of gateway tools so far, also those that failed. */
  readonly executed: number
  add(decisions: readonly Decision[], outcomes: readonly ToolOutcome[]): void
  /** LiteLLM's `provider_specific_fields`; `mcp_limit_reached` and `mcp_server_outcomes` are ours. Empty where no gateway tool was attached. */
  fields(limitReached: LimitReached | undefined): JsonObject
}

/** Collects what the gateway did for one request, for the client that wants to see it. */
export function createToolReport(tools: readonly LoopTool[], outcomes: readonly ServerOutcome[] = []): ToolReport {
  const calls: JsonObject[] = []
  const results: JsonObject[] = []
  let executed = 0

  return {
    get executed() {
      return executed
    },
    add(decisions, outcomes) {
      executed += decisions.filter(({ kind }) => kind === 'run').length
      for (const { call, text, fullResultId } of outcomes) {
        const input = call.arguments.ok ? JSON.stringify(call.arguments.value) : '{}'
        calls.push({ id: call.id, type: 'function', function: { name: call.name, arguments: input } })
        results.push({
          tool_call_id: call.id,
          result: text,
          name: call.name,
          ...(fullResultId !== undefined && { full_result_id: fullResultId }),
        })
      }
    },
    fields(limitReached) {
      if (tools.length === 0) return {}
      return {
        mcp_list_tools: tools.map(({ functionName, definition }) => toFunctionTool({ functionName, ...definition })),
        ...(calls.length > 0 && { mcp_tool_calls: calls, mcp_call_results: results }),
        ...(limitReached !== undefined && { mcp_limit_reached: limitReached }),
        ...outcomeFields(outcomes),
      }
    },
  }
}

const reportedFields = new Set([
  'mcp_list_tools',
  'mcp_tool_calls',
  'mcp_call_results',
  'mcp_limit_reached',
  'mcp_server_outcomes',
])

/**
 * A request without the reports of earlier answers. Clients append an assistant message as they got it, and providers
 * refuse messages with fields they do not know. What others put into `provider_specific_fields` stays.
 */
export function withoutReports(body: JsonObject): JsonObject {
  const { messages } = body
  return Array.isArray(messages) && messages.some(bearsReport) ? { ...body, messages: messages.map(stripReport) } : body
}

function bearsReport(message: JsonValue): message is { provider_specific_fields: JsonObject } {
  if (!isJsonObject(message) || !isJsonObject(message['provider_specific_fields'])) return false
  return Object.keys(message['provider_specific_fields']).some((name) => reportedFields.has(name))
}

function stripReport(message: JsonValue): JsonValue {
  if (!bearsReport(message)) return message
  const { provider_specific_fields: fields, ...rest } = message
  const others = Object.entries(fields).filter(([name]) => !reportedFields.has(name))
  return others.length === 0 ? rest : { ...rest, provider_specific_fields: Object.fromEntries(others) }
}
