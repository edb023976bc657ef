import {
  isFailedOutcome,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  type NewId,
  type ServerOutcome,
} from '@toolgate/core'
import { listOf, textOf } from '../json-fields.ts'
import type { LoopTool } from '../loop-tool.ts'
import type { ToolOutcome, TurnCall } from './dialect.ts'

/** The items of a Responses conversation that speak of gateway tools, in OpenAI's shapes, and back into plain calls. */

/** Ids of ours: OpenAI's own MCP items have others, and stay the provider's. */
const ourId = /^mcp[lr]?_[0-9a-f]{32}$/

export function isOurItem(item: JsonValue): item is JsonObject {
  return isJsonObject(item) && textOf(item['type']).startsWith('mcp_') && ourId.test(textOf(item['id']))
}

/** Of an item that calls a function, its name with that of its namespace; undefined for every other item. */
export function calledName({ type, name, namespace }: JsonObject): string | undefined {
  if ((type !== 'function_call' && type !== 'custom_tool_call') || typeof name !== 'string') return undefined
  return typeof namespace === 'string' ? `${namespace}__${name}` : name
}

export function toCallItem(outcome: ToolOutcome, newId: NewId): JsonObject {
  return finishedCall(beginCall(outcome.call, outcome.tool, newId), outcome)
}

export function beginCall(call: TurnCall, tool: LoopTool | undefined, newId: NewId): JsonObject {
  return {
    id: newId('mcp'),
    type: 'mcp_call',
    status: 'in_progress',
    approval_request_id: ourId.test(call.id) ? call.id : null,
    arguments: argumentsOf(call),
    error: null,
    name: call.name,
    output: null,
    server_label: tool?.server?.name ?? '',
  }
}

/** `full_result_id` is ours: it finds the whole of a result that is shown in part. */
export function finishedCall(
  item: JsonObject,
  { text, failed, fullResultId }: Pick<ToolOutcome, 'text' | 'failed' | 'fullResultId'>,
): JsonObject {
  const told = failed ? { status: 'failed', error: text } : { status: 'completed', output: text }
  return { ...item, ...told, ...(fullResultId !== undefined && { full_result_id: fullResultId }) }
}

export function argumentsOf({ arguments: input, raw }: TurnCall): string {
  if (!input.ok) return textOf(raw['arguments'])
  return typeof raw['arguments'] === 'string' ? raw['arguments'] : JSON.stringify(input.value)
}

export function toApprovalRequest(call: TurnCall, tool: LoopTool | undefined, newId: NewId): JsonObject {
  return {
    id: newId('mcpr'),
    type: 'mcp_approval_request',
    arguments: argumentsOf(call),
    name: call.name,
    server_label: tool?.server?.name ?? '',
  }
}

export interface Listed {
  readonly tools: readonly LoopTool[]
  /** Of the servers that were asked for them. */
  readonly outcomes: readonly ServerOutcome[]
}

/**
 * One per server, in the order of the tools, then those that could not be listed. What is not there is left out: some SDKs take no null
 * for it.
 */
export function toListItems({ tools, outcomes }: Listed, newId: NewId): JsonObject[] {
  const byServer = Map.groupBy(tools, ({ server }) => server?.name ?? '')
  const listed = [...byServer].map(([label, ofServer]) => ({
    server_label: label,
    tools: ofServer.map(({ functionName, definition: { description, inputSchema } }) => ({
      name: functionName,
      ...(description !== undefined && { description }),
      input_schema: inputSchema,
    })),
  }))
  const failed = outcomes.filter(isFailedOutcome).map(({ serverName, status, message }) => ({
    server_label: serverName,
    tools: [],
    error: message ?? status,
  }))
  return [...listed, ...failed].map((item) => ({ id: newId('mcpl'), type: 'mcp_list_tools', ...item }))
}

/** What the gateway did, as the calls and results that a provider takes. Approvals stay: see {@link settleApprovals}. */
export function toPlainItems(input: JsonValue | undefined): JsonValue[] {
  if (typeof input === 'string') return [{ type: 'message', role: 'user', content: input }]
  return listOf(input).flatMap((item): JsonValue[] => {
    if (!isOurItem(item)) return [item]
    if (item['type'] === 'mcp_list_tools') return []
    if (item['type'] !== 'mcp_call') return [item]
    const { id, name, arguments: sent, output, error } = item
    return plainCall({ id: textOf(id), name: textOf(name), sent: textOf(sent), output: textOf(output ?? error) })
  })
}

interface PlainCall {
  readonly id: string
  readonly name: string
  readonly sent: string
  readonly output: string
}

function plainCall({ id, name, sent, output }: PlainCall): JsonObject[] {
  return [
    { type: 'function_call', call_id: id, name, arguments: sent },
    { type: 'function_call_output', call_id: id, output },
  ]
}

/**
 * Requests for approval that the client has answered, with what it said, each once: one no outweighs every yes. What was
 * approved and has run since, by a call in the same input, is not among them.
 */
export function approvalsIn(input: JsonValue | undefined): { request: JsonObject; approve: boolean }[] {
  const items = listOf(input).filter(isJsonObject)
  const has = (type: string) => items.filter((item) => item['type'] === type)
  const said = Map.groupBy(has('mcp_approval_response'), (item) => textOf(item['approval_request_id']))
  const ran = new Set(has('mcp_call').map((item) => textOf(item['approval_request_id'])))
  const requests = new Map(items.filter(isApprovalRequest).map((item) => [textOf(item['id']), item]))
  return [...requests].flatMap(([id, request]) => {
    const answers = said.get(id)
    if (answers === undefined || ran.has(id)) return []
    return [{ request, approve: answers.every(({ approve }) => approve === true) }]
  })
}

function isApprovalRequest(item: JsonValue): item is JsonObject {
  return isOurItem(item) && item['type'] === 'mcp_approval_request'
}

/** Calls that were approved or denied, with what they came to, in place of the requests; those not answered are left out. */
export function settleApprovals(input: JsonValue | undefined, outcomes: readonly ToolOutcome[]): JsonValue[] {
  const byId = new Map(outcomes.map((outcome) => [outcome.call.id, outcome]))
  const ours = new Set(
    listOf(input)
      .filter(isApprovalRequest)
      .map(({ id }) => textOf(id)),
  )
  return listOf(input).flatMap((item): JsonValue[] => {
    if (isApprovalRequest(item)) {
      const { id, name, arguments: sent } = item
      const outcome = byId.get(textOf(id))
      if (outcome === undefined) return []
      return plainCall({ id: textOf(id), name: textOf(name), sent: textOf(sent), output: outcome.text })
    }
    const answersOurs = isJsonObject(item) && ours.has(textOf(item['approval_request_id']))
    return answersOurs && item['type'] === 'mcp_approval_response' ? [] : [item]
  })
}
