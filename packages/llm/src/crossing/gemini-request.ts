import { GatewayError, isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import { listOf, textOf } from '../json-fields.ts'
import { contentsOf, wholeTurns } from '../dialects/gemini-contents.ts'
import { geminiDeclarations } from '../schemas/project-tools.ts'
import { type CrossedNames, nameCrossing } from './crossed-names.ts'
import { createWaitingCalls } from './waiting-calls.ts'

/** A Gemini request as a chat completion request. What only Google runs (search, code execution, …) is left out. */

export function crossGeminiNames(body: JsonObject): CrossedNames {
  return nameCrossing(geminiDeclarations(body).map(({ name }) => textOf(name)))
}

export function toChatRequest(body: JsonObject, names: CrossedNames): JsonObject {
  const { model } = body
  const instructions = textOfParts(body['systemInstruction'] ?? body['system_instruction'])
  const tools = geminiDeclarations(body).map((declared) => toFunctionTool(declared, names))
  return {
    ...(model !== undefined && { model }),
    messages: [
      ...(instructions === '' ? [] : [{ role: 'system', content: instructions }]),
      ...toConversation(wholeTurns(contentsOf(body)).filter(isJsonObject), names),
    ],
    ...(tools.length > 0 && { tools, ...toChoice(body['toolConfig'] ?? body['tool_config'], names) }),
    ...toSettings(body['generationConfig'] ?? body['generation_config']),
  }
}

/** Google's clients write `Content`, its parts, or a text. */
function textOfParts(content: JsonValue | undefined): string {
  if (typeof content === 'string') return content
  const parts = isJsonObject(content) ? (content['parts'] ?? [content]) : content
  return listOf(parts)
    .map((part) => (isJsonObject(part) && part['thought'] !== true ? textOf(part['text']) : textOf(part)))
    .join('')
}

function toFunctionTool(declared: JsonObject, names: CrossedNames): JsonObject {
  const { name, description, parametersJsonSchema, parameters } = declared
  return {
    type: 'function',
    function: {
      name: names.toFunction(textOf(name)),
      ...(typeof description === 'string' && { description }),
      parameters: parametersJsonSchema ?? parameters ?? { type: 'object', properties: {} },
    },
  }
}

const modes: ReadonlyMap<string, string> = new Map([
  ['AUTO', 'auto'],
  ['ANY', 'required'],
  ['VALIDATED', 'auto'],
  ['NONE', 'none'],
])

function toChoice(config: JsonValue | undefined, names: CrossedNames): JsonObject {
  const calling = isJsonObject(config)
    ? (config['functionCallingConfig'] ?? config['function_calling_config'])
    : undefined
  if (!isJsonObject(calling)) return {}
  const { mode, allowedFunctionNames: allowed } = calling
  const [only, ...others] = listOf(allowed).map(textOf)
  if (textOf(mode).toUpperCase() === 'ANY' && only !== undefined && others.length === 0) {
    return { tool_choice: { type: 'function', function: { name: names.toFunction(only) } } }
  }
  const choice = modes.get(textOf(mode).toUpperCase())
  return choice === undefined ? {} : { tool_choice: choice }
}

/** Setting of Gemini → parameter of chat completions, where they mean the same. */
const settings: readonly (readonly [string, string])[] = [
  ['temperature', 'temperature'],
  ['topP', 'top_p'],
  ['topK', 'top_k'],
  ['maxOutputTokens', 'max_tokens'],
  ['seed', 'seed'],
  ['presencePenalty', 'presence_penalty'],
  ['frequencyPenalty', 'frequency_penalty'],
  ['stopSequences', 'stop'],
]

function toSettings(config: JsonValue | undefined): JsonObject {
  if (!isJsonObject(config)) return {}
  const carried = settings.flatMap(([theirs, ours]): [string, JsonValue][] => {
    const value = config[theirs] ?? config[theirs.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)]
    return value === undefined || value === null || (Array.isArray(value) && value.length === 0) ? [] : [[ours, value]]
  })
  return { ...Object.fromEntries(carried), ...toResponseFormat(config), ...toEffort(config['thinkingConfig']) }
}

function toResponseFormat({ responseMimeType, responseJsonSchema, responseSchema }: JsonObject): JsonObject {
  const schema = responseJsonSchema ?? responseSchema
  if (isJsonObject(schema)) {
    return {
      response_format: { type: 'json_schema', json_schema: { name: 'answer', schema: lowerCasedTypes(schema) } },
    }
  }
  return responseMimeType === 'application/json' ? { response_format: { type: 'json_object' } } : {}
}

/** Gemini writes `OBJECT` where JSON Schema has `object`. */
function lowerCasedTypes(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(lowerCasedTypes)
  if (!isJsonObject(value)) return value
  const entries = Object.entries(value).map(([key, inner]): [string, JsonValue] => [
    key,
    key === 'type' && typeof inner === 'string' ? inner.toLowerCase() : lowerCasedTypes(inner),
  ])
  return Object.fromEntries(entries)
}

function toEffort(thinking: JsonValue | undefined): JsonObject {
  const level = isJsonObject(thinking) ? textOf(thinking['thinkingLevel']).toLowerCase() : ''
  return ['minimal', 'low', 'medium', 'high'].includes(level) ? { reasoning_effort: level } : {}
}

/** Results name their call by id, or by nothing but the function: then they answer its calls in order. */
function toConversation(contents: readonly JsonObject[], names: CrossedNames): JsonObject[] {
  const waiting = createWaitingCalls()
  let calls = 0
  const begin = (name: string, given: string): string => {
    const id = given || `call_${calls}`
    calls += 1
    waiting.add({ id, name })
    return id
  }
  const settle = (name: string, given: string): string => waiting.take({ id: given, name }) ?? (given || `call_${name}`)
  return contents.flatMap(({ role, parts }, index) => {
    const said = listOf(parts).filter(isJsonObject)
    return role === 'model' ? toAssistant(said, names, begin) : toUser(said, index, settle)
  })
}

type NameId = (name: string, given: string) => string

function toAssistant(parts: readonly JsonObject[], names: CrossedNames, begin: NameId): JsonObject[] {
  const text = textOfParts([...parts])
  const calls = parts.flatMap(({ functionCall: call, thoughtSignature: signature }): JsonObject[] => {
    if (!isJsonObject(call)) return []
    const name = textOf(call['name'])
    return [
      {
        id: begin(name, textOf(call['id'])),
        type: 'function',
        function: { name: names.toFunction(name), arguments: JSON.stringify(call['args'] ?? {}) },
        ...(typeof signature === 'string' && { provider_specific_fields: { thought_signature: signature } }),
      },
    ]
  })
  if (text === '' && calls.length === 0) return []
  return [{ role: 'assistant', content: text === '' ? null : text, ...(calls.length > 0 && { tool_calls: calls }) }]
}

function toUser(parts: readonly JsonObject[], index: number, settle: NameId): JsonObject[] {
  const results = parts.flatMap(({ functionResponse: result }): JsonObject[] => {
    if (!isJsonObject(result)) return []
    const id = settle(textOf(result['name']), textOf(result['id']))
    return [{ role: 'tool', tool_call_id: id, content: toResultText(result['response']) }]
  })
  const said = parts.filter(({ functionResponse }) => functionResponse === undefined).map((part) => toPart(part, index))
  return said.length === 0 ? results : [...results, { role: 'user', content: said }]
}

/** Google's clients put the text of a result under `output` or `result`, or under `error`. */
function toResultText(response: JsonValue | undefined): string {
  if (!isJsonObject(response)) return typeof response === 'string' ? response : JSON.stringify(response ?? {})
  const [only, ...others] = Object.entries(response)
  if (only === undefined || others.length > 0 || typeof only[1] !== 'string') return JSON.stringify(response)
  return only[0] === 'error' ? `Error: ${only[1]}` : only[1]
}

function toPart(part: JsonObject, index: number): JsonObject {
  const { text, inlineData, fileData } = part
  if (typeof text === 'string') return { type: 'text', text }
  if (isJsonObject(inlineData)) return toFile(textOf(inlineData['mimeType']), textOf(inlineData['data']))
  if (isJsonObject(fileData) && textOf(fileData['mimeType']).startsWith('image/')) {
    return { type: 'image_url', image_url: { url: textOf(fileData['fileUri']) } }
  }
  throw new GatewayError(
    'INVALID_REQUEST',
    `contents[${index}] holds ${JSON.stringify(Object.keys(part))}, which this model cannot take.`,
    { details: { field: `contents[${index}]` } },
  )
}

function toFile(mimeType: string, data: string): JsonObject {
  const inline = `data:${mimeType};base64,${data}`
  if (mimeType.startsWith('image/')) return { type: 'image_url', image_url: { url: inline } }
  if (mimeType.startsWith('audio/')) {
    return { type: 'input_audio', input_audio: { data, format: mimeType.replace('audio/', '') } }
  }
  return { type: 'file', file: { file_data: inline } }
}
