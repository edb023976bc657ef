import { GatewayError, isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import { listOf, textOf } from '../json-fields.ts'
import type { LoopTool } from '../loop-tool.ts'
import { geminiDeclarations } from '../schemas/project-tools.ts'
import { toFunctionTool } from '../tool-mapping.ts'
import { parseArguments } from './call-arguments.ts'
import { contentsOf, wholeAnswers, wholeTurns } from './gemini-contents.ts'
import type { AnswerParts, Dialect, FindAppended, ToolOutcome, Turn, TurnCall } from './dialect.ts'

/**
 * Gemini's `generateContent`. Rounds go to the model as it wrote them: what it signed, and parts that nobody here knows, stay what they
 * are. Names of fields are Google's camel case; what a client writes in snake case is read where it matters and passes as it is.
 */
export const geminiDialect: Dialect = {
  replays: false,
  clientFunctions: (body) => new Set(geminiDeclarations(body).map(({ name }) => textOf(name))),
  begin(body, tools) {
    const { candidateCount } = configOf(body)
    if (typeof candidateCount === 'number' && candidateCount > 1) {
      throw new GatewayError(
        'INVALID_REQUEST',
        '"candidateCount" above 1 is not possible where MCP tools of the gateway are attached.',
        { details: { field: 'generationConfig.candidateCount' } },
      )
    }
    return withCalling({ ...body, contents: contentsOf(body), ...declaring(body, tools) }, (calling) =>
      toCalling(calling, tools),
    )
  },
  readTurn: readContent,
  append(body, { message, calls }, results) {
    const said = { ...message, role: 'model', parts: withIds(listOf(message['parts']), calls) }
    const answers = { role: 'user', parts: results.map(toFunctionResponse) }
    return { ...body, contents: [...contentsOf(body), said, ...(results.length > 0 ? [answers] : [])] }
  },
  relaxToolChoice: (body) =>
    withCalling(body, ({ allowedFunctionNames: _names, ...calling }) =>
      textOf(calling['mode']).toUpperCase() === 'ANY' ? { ...calling, mode: 'AUTO' } : undefined,
    ),
  /** They stay declared: a conversation with calls in it is about them, and so may a cache be. */
  withoutTools: (body) => withCalling({ ...body, toolConfig: toolConfigOf(body) }, () => ({ mode: 'NONE' })),
  appendedSince: (from, body) => contentsOf(body).slice(contentsOf(from).length).filter(isJsonObject),
  restore: restoreContents,
  answer: toAnswer,
}

function configOf(body: JsonObject): JsonObject {
  const config = body['generationConfig'] ?? body['generation_config']
  return isJsonObject(config) ? config : {}
}

function toolConfigOf(body: JsonObject): JsonObject {
  const config = body['toolConfig'] ?? body['tool_config']
  return isJsonObject(config) ? config : {}
}

/** Beside the client's own functions where it has some: Google takes one list of them, and none beside its own tools. */
function declaring(body: JsonObject, tools: readonly LoopTool[]): JsonObject {
  if (tools.length === 0) return {}
  const declared = tools.map(toDeclaration)
  const given = listOf(body['tools'])
  const at = given.findIndex((tool) => isJsonObject(tool) && geminiDeclarations({ tools: [tool] }).length > 0)
  if (at === -1) return { tools: [...given, { functionDeclarations: declared }] }
  return { tools: given.map((tool, index) => (index === at && isJsonObject(tool) ? joined(tool, declared) : tool)) }
}

function joined(
  { function_declarations: snake, functionDeclarations: camel, ...tool }: JsonObject,
  added: JsonObject[],
) {
  return { ...tool, functionDeclarations: [...listOf(camel ?? snake), ...added] }
}

function toDeclaration({ functionName, definition }: LoopTool): JsonObject {
  const { function: described } = toFunctionTool({ functionName, ...definition })
  const { name, description, parameters } = isJsonObject(described) ? described : {}
  return {
    name: name ?? functionName,
    ...(description !== undefined && { description }),
    parametersJsonSchema: parameters ?? { type: 'object', properties: {} },
  }
}

/** The request with another way to call functions, where it says how to; `change` answers undefined where it stays. */
function withCalling(body: JsonObject, change: (calling: JsonObject) => JsonObject | undefined): JsonObject {
  const { toolConfig: _camel, tool_config: _snake, ...rest } = body
  if (_camel === undefined && _snake === undefined) return body
  const { functionCallingConfig, function_calling_config: snake, ...config } = toolConfigOf(body)
  const calling = functionCallingConfig ?? snake
  const changed = change(isJsonObject(calling) ? calling : {})
  return changed === undefined ? body : { ...rest, toolConfig: { ...config, functionCallingConfig: changed } }
}

/** Calls come whole: one in pieces could neither be run nor withheld. */
function toCalling(calling: JsonObject, tools: readonly LoopTool[]): JsonObject | undefined {
  const { streamFunctionCallArguments: pieces, allowedFunctionNames: allowed, ...rest } = calling
  if (pieces === undefined && allowed === undefined) return undefined
  const functionName = (name: JsonValue) => tools.find(({ publicName }) => publicName === name)?.functionName ?? name
  return { ...rest, ...(allowed !== undefined && { allowedFunctionNames: listOf(allowed).map(functionName) }) }
}

function readContent(response: JsonObject): Turn {
  const { candidates, promptFeedback, usageMetadata: usage } = response
  if (!Array.isArray(candidates) && promptFeedback === undefined) {
    throw new GatewayError(
      'PROVIDER_PROTOCOL',
      'The model answered without candidates. Try again or use another model.',
    )
  }
  const content = contentIn(response)
  const parts = listOf(content['parts']).filter(isJsonObject)
  return {
    text: parts.map(({ text, thought }) => (thought === true ? '' : textOf(text))).join(''),
    calls: parts.flatMap(toCall),
    usage: isJsonObject(usage) ? usage : undefined,
    message: { ...content, parts },
  }
}

function contentIn({ candidates }: JsonObject): JsonObject {
  const [candidate] = listOf(candidates).filter(isJsonObject)
  return isJsonObject(candidate?.['content']) ? candidate['content'] : {}
}

/** Of a part that calls a function, the function's name; undefined for every other part. */
export function calledIn({ functionCall: call }: JsonObject): string | undefined {
  return isJsonObject(call) ? textOf(call['name']) : undefined
}

function toCall(part: JsonObject, index: number): TurnCall[] {
  const { functionCall: call } = part
  if (!isJsonObject(call)) return []
  const id = givenId(part) ?? placeId(index)
  return [{ id, name: textOf(call['name']), arguments: parseArguments(call['args'] ?? {}), raw: part }]
}

function givenId({ functionCall: call }: JsonObject): string | undefined {
  return isJsonObject(call) && typeof call['id'] === 'string' && call['id'] !== '' ? call['id'] : undefined
}

/** Older models number no calls: theirs are told apart by their place, and are answered in order and without ids. */
function placeId(index: number): string {
  return `call_${index}`
}

/** The parts as they came, with the ids under which the client knows its own calls. */
function withIds(parts: readonly JsonValue[], calls: readonly TurnCall[]): JsonValue[] {
  const idOf = new Map(calls.map(({ raw, id }) => [raw, id]))
  return parts.map((part, index) => {
    const id = isJsonObject(part) ? idOf.get(part) : undefined
    return !isJsonObject(part) || id === placeId(index) ? part : withId(part, id)
  })
}

export function withId(part: JsonObject, id: string | undefined): JsonObject {
  const { functionCall: call } = part
  return id === undefined || !isJsonObject(call) ? part : { ...part, functionCall: { ...call, id } }
}

function toFunctionResponse({ call, text, failed }: ToolOutcome): JsonObject {
  const id = givenId(call.raw)
  const response = failed ? { error: text } : { output: text }
  return { functionResponse: { ...(id !== undefined && { id }), name: call.name, response } }
}

/**
 * The client continues with its own calls alone. In place of its content goes everything the loop had appended; the gateway's results and
 * the client's must then stand in one content.
 */
async function restoreContents(body: JsonObject, find: FindAppended): Promise<JsonObject> {
  const sent = wholeTurns(contentsOf(body))
  const ids = sent.flatMap(callIdsOf)
  if (ids.length === 0) return { ...body, contents: sent }
  const records = await find(ids)
  const restored = new Set<readonly JsonObject[]>()
  const contents: JsonValue[] = []
  for (const content of sent) {
    const record = callIdsOf(content)
      .map((id) => records.get(id))
      .find((found) => found !== undefined && !restored.has(found))
    if (record !== undefined) restored.add(record)
    contents.push(...(record ?? [content]))
  }
  return { ...body, contents: wholeAnswers(contents) }
}

function callIdsOf(content: JsonValue): readonly string[] {
  if (!isJsonObject(content) || content['role'] !== 'model') return []
  return listOf(content['parts']).flatMap((part) => {
    const call = isJsonObject(part) ? part['functionCall'] : undefined
    return isJsonObject(call) && typeof call['id'] === 'string' ? [call['id']] : []
  })
}

/** Intermediate text would spoil an answer that must be one JSON document. */
export function answersAsDocument(body: JsonObject): boolean {
  const { responseMimeType, response_mime_type: snake } = configOf(body)
  return (responseMimeType ?? snake) === 'application/json'
}

export function isSpoken({ text, thought }: JsonObject): boolean {
  return typeof text === 'string' && thought !== true
}

/** Between the texts of two rounds, as a part of its own: a text that is signed stays as it was signed. */
export const paragraph: JsonObject = { text: '\n\n' }

/** What was said and thought in every round, and of the calls those that are the client's. */
function toAnswer({ response, turns, request, usage, returned, report }: AnswerParts): JsonObject {
  const own = new Map(returned.map(({ raw, id }) => [raw, id]))
  const oneDocument = answersAsDocument(request)
  let hasText = false
  const parts = turns.flatMap(({ turn }, index) => {
    const isLast = index === turns.length - 1 && returned.length === 0
    let separated = !hasText
    return listOf(turn.message['parts']).flatMap((part): JsonObject[] => {
      if (!isJsonObject(part)) return []
      if (calledIn(part) !== undefined) return own.has(part) ? [withId(part, own.get(part))] : []
      if (!isSpoken(part)) return [part]
      if (oneDocument && !isLast) return []
      const between = separated || part['text'] === '' ? [] : [paragraph]
      if (part['text'] !== '') hasText = separated = true
      return [...between, part]
    })
  })
  const [candidate] = listOf(response['candidates']).filter(isJsonObject)
  return {
    ...response,
    modelVersion: request['model'] ?? response['modelVersion'] ?? '',
    ...(candidate !== undefined && {
      candidates: [{ ...candidate, content: { ...contentIn(response), role: 'model', parts } }],
    }),
    ...(usage && { usageMetadata: usage }),
    ...(Object.keys(report).length > 0 && { provider_specific_fields: report }),
  }
}
