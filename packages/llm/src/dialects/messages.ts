import { GatewayError, isJsonObject, type JsonObject, type JsonValue, type NewId } from '@toolgate/core'
import { listOf, textOf } from '../json-fields.ts'
import type { LoopTool } from '../loop-tool.ts'
import { toFunctionTool } from '../tool-mapping.ts'
import { parseArguments } from './call-arguments.ts'
import { idOfItsOwn } from './call-ids.ts'
import type { AnswerParts, Dialect, FindAppended, Turn, TurnCall } from './dialect.ts'
import { joinAdjacent } from './join-adjacent.ts'

/**
 * Anthropic's Messages. Rounds go to the model as it wrote them: signed thoughts, cache marks and blocks that nobody here
 * knows stay what they are.
 */
export const messagesDialect: Dialect = {
  replays: false,
  clientFunctions({ tools }) {
    return new Set(
      listOf(tools)
        .filter(isJsonObject)
        .flatMap(({ name }) => (typeof name === 'string' ? [name] : [])),
    )
  },
  begin(body, tools) {
    const { stream: _stream, ...request } = body
    const { tool_choice: choice } = request
    return {
      ...request,
      ...(tools.length > 0 && { tools: [...listOf(request['tools']), ...tools.map(toTool)] }),
      ...(isJsonObject(choice) && { tool_choice: toChoice(choice, tools) }),
    }
  },
  readTurn: readMessage,
  append(body, { message, calls }, results) {
    const content = withIds(listOf(message['content']), calls)
    const answers = results.map(({ call, text, failed }) => ({
      type: 'tool_result',
      tool_use_id: call.id,
      content: text,
      ...(failed && { is_error: true }),
    }))
    const messages: JsonValue[] = [...listOf(body['messages']), { role: 'assistant', content }]
    return { ...body, messages: answers.length === 0 ? messages : [...messages, { role: 'user', content: answers }] }
  },
  relaxToolChoice(body) {
    const { tool_choice: choice } = body
    if (!isJsonObject(choice) || choice['type'] === 'auto' || choice['type'] === 'none') return body
    const { name: _name, ...rest } = choice
    return { ...body, tool_choice: { ...rest, type: 'auto' } }
  },
  /** A conversation with calls in it must declare tools, and those that are cached stay cached. */
  withoutTools: (body) => ({ ...body, tool_choice: { type: 'none' } }),
  appendedSince(from, body) {
    return listOf(body['messages']).slice(listOf(from['messages']).length).filter(isJsonObject)
  },
  restore: restoreMessages,
  answer: toAnswer,
}

function toTool({ functionName, definition }: LoopTool): JsonObject {
  const { function: described } = toFunctionTool({ functionName, ...definition })
  const { name, description, parameters } = isJsonObject(described) ? described : {}
  return {
    name: name ?? functionName,
    ...(description !== undefined && { description }),
    input_schema: parameters ?? { type: 'object', properties: {} },
  }
}

function toChoice(choice: JsonObject, tools: readonly LoopTool[]): JsonObject {
  const chosen = tools.find(({ publicName }) => choice['type'] === 'tool' && publicName === choice['name'])
  return chosen === undefined ? choice : { ...choice, name: chosen.functionName }
}

function readMessage(response: JsonObject, newId: NewId): Turn {
  const { content, usage } = response
  if (!Array.isArray(content)) {
    throw new GatewayError('PROVIDER_PROTOCOL', 'The model answered without content. Try again or use another model.')
  }
  const blocks = content.filter(isJsonObject)
  const taken = new Set<string>()
  return {
    text: blocks.map(({ type, text }) => (type === 'text' ? textOf(text) : '')).join(''),
    calls: blocks.flatMap((block) => toCall(block, () => idOfItsOwn(block['id'], taken, () => newId('toolu')))),
    usage: isJsonObject(usage) ? usage : undefined,
    message: { content },
  }
}

function toCall(block: JsonObject, toId: () => string): TurnCall[] {
  const { type, name, input } = block
  if (type !== 'tool_use' || typeof name !== 'string') return []
  return [{ id: toId(), name, arguments: parseArguments(input), raw: block }]
}

/** The blocks as they came, with the ids under which the client knows its own calls. */
function withIds(content: readonly JsonValue[], calls: readonly TurnCall[]): JsonValue[] {
  const idOf = new Map(calls.map(({ raw, id }) => [raw, id]))
  return content.map((block) => {
    const id = isJsonObject(block) ? idOf.get(block) : undefined
    return id === undefined || !isJsonObject(block) ? block : { ...block, id }
  })
}

/**
 * The client continues with its own calls alone. In place of its message goes everything the loop had appended; the
 * gateway's results and the client's must then stand in one message.
 */
async function restoreMessages(body: JsonObject, find: FindAppended): Promise<JsonObject> {
  const sent = listOf(body['messages'])
  const ids = sent.flatMap(callIdsOf)
  if (ids.length === 0) return body
  const records = await find(ids)
  const restored = new Set<readonly JsonObject[]>()
  const messages: JsonValue[] = []
  for (const message of sent) {
    const record = callIdsOf(message)
      .map((id) => records.get(id))
      .find((found) => found !== undefined && !restored.has(found))
    if (record !== undefined) restored.add(record)
    messages.push(...(record ?? [message]))
  }
  return { ...body, messages: wholeMessages(messages) }
}

/** Results that wait for a user's message, in one message with it. */
function wholeMessages(messages: readonly JsonValue[]): JsonValue[] {
  const isOfUser = ({ role }: JsonObject) => role === 'user'
  return joinAdjacent(messages, isOfUser, (said) => ({ content: said.flatMap(({ content }) => blocksOf(content)) }))
}

function blocksOf(content: JsonValue | undefined): JsonValue[] {
  return typeof content === 'string' ? [{ type: 'text', text: content }] : listOf(content)
}

function callIdsOf(message: JsonValue): readonly string[] {
  if (!isJsonObject(message) || message['role'] !== 'assistant') return []
  return listOf(message['content']).flatMap((block) =>
    isJsonObject(block) && block['type'] === 'tool_use' && typeof block['id'] === 'string' ? [block['id']] : [],
  )
}

/** Intermediate text would spoil an answer that must be one JSON document. */
export function answersAsDocument({ output_format: format, output_config: config }: JsonObject): boolean {
  return isJsonObject(format) || (isJsonObject(config) && isJsonObject(config['format']))
}

/** What was said and thought in every round, and of the calls those that are the client's. */
function toAnswer({ response, turns, request, usage, returned, report }: AnswerParts): JsonObject {
  const own = new Map(returned.map(({ raw, id }) => [raw, id]))
  const oneDocument = answersAsDocument(request)
  const content = turns.flatMap(({ turn }, index) => {
    const isLast = index === turns.length - 1 && returned.length === 0
    return listOf(turn.message['content']).flatMap((block): JsonValue[] => {
      if (!isJsonObject(block)) return [block]
      if (block['type'] === 'text') return oneDocument && !isLast ? [] : [block]
      if (block['type'] !== 'tool_use') return [block]
      const id = own.get(block)
      return id === undefined ? [] : [{ ...block, id }]
    })
  })
  return {
    ...response,
    model: request['model'] ?? response['model'] ?? '',
    content,
    stop_reason: returned.length > 0 ? 'tool_use' : toStopReason(response['stop_reason']),
    ...(usage && { usage }),
    ...(Object.keys(report).length > 0 && { provider_specific_fields: report }),
  }
}

/** No call is left that the client could answer. */
function toStopReason(reason: JsonValue | undefined): JsonValue {
  return reason === 'tool_use' ? 'end_turn' : (reason ?? 'end_turn')
}
