import type {
  LanguageModelV4CallOptions,
  LanguageModelV4FunctionTool,
  LanguageModelV4ToolChoice,
} from '@ai-sdk/provider'
import { isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import { listOf } from '../../json-fields.ts'
import { cacheOptions, withOptions } from './cache-marks.ts'
import { type PromptOptions, toPrompt } from './chat-to-prompt.ts'

/**
 * A chat completion request as AI SDK call options. What OpenAI's dialect has and the AI SDK has not is left out: no
 * other provider would take it.
 */
export function toCallOptions(body: JsonObject, options: PromptOptions): LanguageModelV4CallOptions {
  const prompt = toPrompt(body, options)
  const declared = listOf(body['tools']).flatMap(toFunctionTool)
  const tools = declared.length > 0 ? declared : toolsOfThePast(prompt)
  return {
    prompt,
    ...optional('maxOutputTokens', asNumber(body['max_completion_tokens']) ?? asNumber(body['max_tokens'])),
    ...optional('temperature', asNumber(body['temperature'])),
    ...optional('topP', asNumber(body['top_p'])),
    ...optional('topK', asNumber(body['top_k'])),
    ...optional('presencePenalty', asNumber(body['presence_penalty'])),
    ...optional('frequencyPenalty', asNumber(body['frequency_penalty'])),
    ...optional('seed', asNumber(body['seed'])),
    ...optional('stopSequences', toStopSequences(body['stop'])),
    ...optional('reasoning', toReasoning(body['reasoning_effort'])),
    ...optional('responseFormat', toResponseFormat(body['response_format'])),
    ...(tools.length > 0 && { tools }),
    ...optional('toolChoice', declared.length > 0 ? toToolChoice(body['tool_choice']) : noTools(tools)),
  }
}

function optional<Name extends string, Value>(name: Name, value: Value | undefined): { [Key in Name]?: Value } {
  const entry: { [Key in Name]?: Value } = {}
  if (value !== undefined) entry[name] = value
  return entry
}

function asNumber(value: JsonValue | undefined): number | undefined {
  return typeof value === 'number' ? value : undefined
}

function toStopSequences(stop: JsonValue | undefined): string[] | undefined {
  if (typeof stop === 'string') return [stop]
  const sequences = listOf(stop).filter((one) => typeof one === 'string')
  return sequences.length > 0 ? sequences : undefined
}

const efforts = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh'] as const

function toReasoning(effort: JsonValue | undefined): LanguageModelV4CallOptions['reasoning'] {
  return efforts.find((known) => known === effort)
}

function toResponseFormat(format: JsonValue | undefined): LanguageModelV4CallOptions['responseFormat'] {
  if (!isJsonObject(format) || (format['type'] !== 'json_object' && format['type'] !== 'json_schema')) return undefined
  const described = isJsonObject(format['json_schema']) ? format['json_schema'] : {}
  const { schema, name } = described
  return {
    type: 'json',
    ...(isSchema(schema) && { schema }),
    ...(typeof name === 'string' && { name }),
  }
}

type Schema = LanguageModelV4FunctionTool['inputSchema']

/** Any object is passed on as a schema: the provider judges it. */
function isSchema(value: unknown): value is Schema {
  return isJsonObject(value)
}

function toFunctionTool(tool: JsonValue): LanguageModelV4FunctionTool[] {
  const described = isJsonObject(tool) ? tool['function'] : undefined
  if (!isJsonObject(described) || typeof described['name'] !== 'string') return []
  const { name, description, parameters, strict } = described
  return [
    {
      type: 'function',
      name,
      inputSchema: isSchema(parameters) ? parameters : { type: 'object', properties: {} },
      ...(typeof description === 'string' && { description }),
      ...(typeof strict === 'boolean' && { strict }),
      ...withOptions(cacheOptions(tool) ?? cacheOptions(described)),
    },
  ]
}

/**
 * Anthropic refuses a conversation with tool calls in it that declares no tools. When the model is to answer without
 * them, those it used are declared, and none may be chosen.
 */
function toolsOfThePast(prompt: LanguageModelV4CallOptions['prompt']): LanguageModelV4FunctionTool[] {
  const names = prompt.flatMap(({ role, content }) =>
    role === 'assistant' ? content.flatMap((part) => (part.type === 'tool-call' ? [part.toolName] : [])) : [],
  )
  return [...new Set(names)].map((name) => ({
    type: 'function',
    name,
    inputSchema: { type: 'object', properties: {} },
  }))
}

function noTools(tools: readonly unknown[]): LanguageModelV4ToolChoice | undefined {
  return tools.length > 0 ? { type: 'none' } : undefined
}

function toToolChoice(choice: JsonValue | undefined): LanguageModelV4ToolChoice | undefined {
  if (choice === 'auto' || choice === 'none' || choice === 'required') return { type: choice }
  const named = isJsonObject(choice) ? choice['function'] : undefined
  return isJsonObject(named) && typeof named['name'] === 'string'
    ? { type: 'tool', toolName: named['name'] }
    : undefined
}
