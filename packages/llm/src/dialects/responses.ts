import { GatewayError, isJsonObject, type JsonObject, type JsonValue, type NewId } from '@toolgate/core'
import { listOf, textOf } from '../json-fields.ts'
import type { LoopTool } from '../loop-tool.ts'
import { toFunctionTool } from '../tool-mapping.ts'
import { parseArguments } from './call-arguments.ts'
import type { AnswerParts, Dialect, Turn, TurnCall } from './dialect.ts'
import { uniqueCallIds } from './response-call-ids.ts'
import {
  approvalsIn,
  calledName,
  settleApprovals,
  toApprovalRequest,
  toCallItem,
  toListItems,
  toPlainItems,
} from './responses-items.ts'

/** OpenAI's Responses. The client sends back what the gateway did, as MCP items: nothing has to be kept. */
export const responsesDialect: Dialect = {
  replays: true,
  clientFunctions({ tools }) {
    return new Set(listOf(tools).filter(isJsonObject).flatMap(functionNames))
  },
  begin(body, tools) {
    const { stream: _stream, stream_options: _options, background, tool_choice: choice, ...request } = body
    if (background === true) {
      throw new GatewayError(
        'INVALID_REQUEST',
        '"background" is not possible where MCP tools of the gateway are attached.',
        {
          details: { field: 'background' },
        },
      )
    }
    const offered = tools.map(toTool)
    return {
      ...request,
      input: toPlainItems(body['input']),
      ...(offered.length > 0 && { tools: [...listOf(request['tools']), ...offered] }),
      ...(choice !== undefined && { tool_choice: toChoice(choice, tools) }),
    }
  },
  readTurn: readResponse,
  append(body, { message }, results) {
    const outputs = results.map(({ call, text }) => ({ type: 'function_call_output', call_id: call.id, output: text }))
    return { ...body, input: [...listOf(body['input']), ...listOf(message['output']), ...outputs] }
  },
  relaxToolChoice(body) {
    const { tool_choice: choice } = body
    return choice === undefined || choice === 'none' || choice === 'auto' ? body : { ...body, tool_choice: 'auto' }
  },
  withoutTools(body) {
    const { tools: _tools, tool_choice: _choice, parallel_tool_calls: _parallel, ...rest } = body
    return rest
  },
  appendedSince: () => [],
  restore: async (body) => body,
  approvals({ input }) {
    return approvalsIn(input).map(({ request, approve }) => ({
      approve,
      call: {
        id: textOf(request['id']),
        name: textOf(request['name']),
        arguments: parseArguments(request['arguments']),
        raw: request,
      },
    }))
  },
  settle: (body, outcomes) => ({ ...body, input: settleApprovals(body['input'], outcomes) }),
  answer: toAnswer,
}

function functionNames({ type, name, tools }: JsonObject): string[] {
  if (type === 'namespace') {
    const nested = listOf(tools).filter(isJsonObject)
    return nested.map((tool) => `${textOf(name)}__${textOf(tool['name'])}`)
  }
  return typeof name === 'string' ? [name] : []
}

function toTool({ functionName, definition }: LoopTool): JsonObject {
  const { function: described } = toFunctionTool({ functionName, ...definition })
  return { type: 'function', strict: false, ...(isJsonObject(described) && described) }
}

function toChoice(choice: JsonValue, tools: readonly LoopTool[]): JsonValue {
  if (!isJsonObject(choice)) return choice
  const chosen = tools.find(({ publicName }) => publicName === choice['name'])
  return chosen === undefined ? choice : { type: 'function', name: chosen.functionName }
}

function readResponse(response: JsonObject, newId: NewId): Turn {
  const { output, usage, error, status } = uniqueCallIds(newId).ofAnswer(response)
  if (!Array.isArray(output) || status === 'failed') {
    const reason = isJsonObject(error) ? textOf(error['message']) : ''
    throw new GatewayError(
      'PROVIDER_PROTOCOL',
      `The model answered without output. ${reason || 'Try again or use another model.'}`,
    )
  }
  const items = output.filter(isJsonObject)
  return {
    text: items
      .filter(({ type }) => type === 'message')
      .map(textOfItem)
      .join(''),
    calls: items.flatMap(toCall),
    usage: isJsonObject(usage) ? usage : undefined,
    message: { output: items },
  }
}

function textOfItem({ content }: JsonObject): string {
  return listOf(content)
    .filter(isJsonObject)
    .map(({ text }) => textOf(text))
    .join('')
}

function toCall(item: JsonObject): TurnCall[] {
  const name = calledName(item)
  if (name === undefined) return []
  return [{ id: textOf(item['call_id']), name, arguments: parseArguments(item['arguments']), raw: item }]
}

/** Intermediate text would spoil an answer that must be one JSON document. */
export function answersAsJson({ text }: JsonObject): boolean {
  const format = isJsonObject(text) ? text['format'] : undefined
  return isJsonObject(format) && format['type'] !== 'text'
}

/** The items of every turn, with what the gateway ran in place of the calls it ran; of the others those that are the client's. */
function toAnswer(parts: AnswerParts): JsonObject {
  const { response, turns, request, tools, outcomes, usage, returned, limitReached, newId } = parts
  const toolOf = new Map(tools.map((tool) => [tool.functionName, tool]))
  const oneDocument = answersAsJson(request)
  const own = new Set(returned.filter(({ name }) => !toolOf.has(name)).map(({ raw }) => raw))
  const output = turns.flatMap(({ turn, outcomes }, index) => {
    const final = index === turns.length - 1 && returned.length === 0
    const said = listOf(turn.message['output'])
      .filter(isJsonObject)
      .filter((item) => {
        if (item['type'] === 'message') return final || !oneDocument
        return calledName(item) === undefined || own.has(item)
      })
    return [...said, ...outcomes.filter(({ ran }) => ran).map((outcome) => toCallItem(outcome, newId))]
  })
  const approvals = returned.flatMap((call) => {
    const tool = toolOf.get(call.name)
    return tool === undefined ? [] : [toApprovalRequest(call, tool, newId)]
  })
  return {
    ...response,
    output: [...toListItems({ tools, outcomes }, newId), ...output, ...approvals],
    ...(usage && { usage }),
    ...(limitReached !== undefined && { metadata: withLimit(response['metadata'], limitReached) }),
  }
}

function withLimit(metadata: JsonValue | undefined, limitReached: string): JsonObject {
  return { ...(isJsonObject(metadata) && metadata), mcp_limit_reached: limitReached }
}
