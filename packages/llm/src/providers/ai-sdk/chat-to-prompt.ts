import type { LanguageModelV4FilePart, LanguageModelV4Message, LanguageModelV4Prompt } from '@ai-sdk/provider'
import { GatewayError, isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import { parseArguments } from '../../dialects/call-arguments.ts'
import { toText } from '../../dialects/chat-turn.ts'
import { listOf, textOf } from '../../json-fields.ts'
import { cacheOptions, isMarked, withOptions } from './cache-marks.ts'
import { callOptions, type SignatureKeys, toThoughts } from './signatures.ts'

type Message<Role> = Extract<LanguageModelV4Message, { role: Role }>
type UserContent = Message<'user'>['content']
type AssistantContent = Message<'assistant'>['content']

export interface PromptOptions {
  readonly signatures: SignatureKeys
  /** A conversation that the assistant begins is given a user before it: several providers want one. */
  readonly startsWithUser: boolean
}

const silentUser: LanguageModelV4Message = { role: 'user', content: [{ type: 'text', text: '.' }] }

/** OpenAI's messages as an AI SDK prompt. Parts that cannot be carried over are an error naming the message. */
export function toPrompt(body: JsonObject, { signatures, startsWithUser }: PromptOptions): LanguageModelV4Prompt {
  const messages = listOf(body['messages']).filter(isJsonObject)
  const toolNames = new Map(messages.flatMap((message) => listOf(message['tool_calls'])).flatMap(toNamedId))
  const system = toSystem(messages.filter(isSystem))
  const said = messages.flatMap((message, index) => toMessage(message, { index, toolNames, signatures }))
  const conversation = startsWithUser && said[0]?.role === 'assistant' ? [silentUser, ...said] : said
  return [...system, ...conversation]
}

/** Providers that take a system prompt take one, in front; who marks a part of it for a cache gets it in parts. */
function toSystem(messages: readonly JsonObject[]): LanguageModelV4Message[] {
  const parts = messages.flatMap((message): JsonObject[] => {
    const { content } = message
    const given = Array.isArray(content) ? content.filter(isJsonObject) : [{ ...message, text: toText(content) }]
    return isMarked(message) && given.length > 1 ? [...given.slice(0, -1), { ...message, ...given.at(-1) }] : given
  })
  if (parts.some(isMarked)) {
    return parts.map((part) => ({ role: 'system', content: textOf(part['text']), ...withOptions(cacheOptions(part)) }))
  }
  const texts = messages.map(({ content }) => toText(content))
  return texts.length === 0 ? [] : [{ role: 'system', content: texts.join('\n\n') }]
}

function isSystem({ role }: JsonObject): boolean {
  return role === 'system' || role === 'developer'
}

function toNamedId(call: JsonValue): [string, string][] {
  if (!isJsonObject(call) || !isJsonObject(call['function'])) return []
  return [[textOf(call['id']), textOf(call['function']['name'])]]
}

interface Position {
  readonly index: number
  /** Call id → tool: results name only the call. */
  readonly toolNames: ReadonlyMap<string, string>
  readonly signatures: SignatureKeys
}

function toMessage(message: JsonObject, { index, toolNames, signatures }: Position): LanguageModelV4Message[] {
  const { role, content, tool_call_id: callId } = message
  if (isSystem(message)) return []
  if (role === 'user') {
    return [{ role: 'user', content: toUserContent(content, index), ...withOptions(cacheOptions(message)) }]
  }
  if (role === 'assistant') return toAssistant(message, signatures)
  if (role !== 'tool') throw unsupported(index, `role ${JSON.stringify(role ?? null)}`)
  const toolCallId = textOf(callId)
  const toolName = toolNames.get(toolCallId)
  if (toolName === undefined) {
    throw new GatewayError('INVALID_REQUEST', `messages[${index}] answers no tool call of the conversation.`, {
      details: { field: `messages[${index}].tool_call_id` },
    })
  }
  return [
    {
      role: 'tool',
      content: [
        {
          type: 'tool-result',
          toolCallId,
          toolName,
          output: { type: 'text', value: toText(content) },
          ...withOptions(cacheOptions(listOf(content).find(isMarked) ?? message)),
        },
      ],
    },
  ]
}

function toAssistant(message: JsonObject, signatures: SignatureKeys): LanguageModelV4Message[] {
  const { content, tool_calls: calls } = message
  const text = toText(content)
  const parts: AssistantContent = [
    ...toThoughts(message, signatures).map((thought) => ({ type: 'reasoning' as const, ...thought })),
    // Anthropic refuses empty text.
    ...(text === '' ? [] : [{ type: 'text' as const, text }]),
    ...listOf(calls).flatMap((call) => {
      if (!isJsonObject(call) || !isJsonObject(call['function'])) return []
      const { name, arguments: sent } = call['function']
      const parsed = parseArguments(sent)
      return [
        {
          type: 'tool-call' as const,
          toolCallId: textOf(call['id']),
          toolName: textOf(name),
          input: parsed.ok ? parsed.value : {},
          ...withOptions(callOptions(call, signatures)),
        },
      ]
    }),
  ]
  return parts.length === 0 ? [] : [{ role: 'assistant', content: parts, ...withOptions(cacheOptions(message)) }]
}

function toUserContent(content: JsonValue | undefined, index: number): UserContent {
  if (typeof content === 'string') return [{ type: 'text', text: content }]
  return listOf(content).map((part) => {
    if (!isJsonObject(part)) throw unsupported(index, 'a content part that is no object')
    const { type, text, image_url: image, file } = part
    const cached = withOptions(cacheOptions(part))
    if (type === 'text' && typeof text === 'string') return { type: 'text', text, ...cached }
    if (type === 'image_url') return { ...toFile(isJsonObject(image) ? image['url'] : image, index), ...cached }
    if (type === 'file' && isJsonObject(file)) return { ...toFile(file['file_data'], index), ...cached }
    throw unsupported(index, `content of type ${JSON.stringify(type ?? null)}`)
  })
}

const dataUrl = /^data:(?<mediaType>[^;,]+)(?:;[^,]*)?;base64,(?<data>.*)$/s

function toFile(address: JsonValue | undefined, index: number): LanguageModelV4FilePart {
  if (typeof address !== 'string') throw unsupported(index, 'an attachment without address or data')
  const inline = dataUrl.exec(address)?.groups
  if (inline?.['mediaType'] !== undefined && inline['data'] !== undefined) {
    return { type: 'file', mediaType: inline['mediaType'], data: { type: 'data', data: inline['data'] } }
  }
  const url = URL.parse(address)
  // The provider fetches it, not we.
  if (url?.protocol === 'https:' || url?.protocol === 'http:') {
    return { type: 'file', mediaType: 'image/*', data: { type: 'url', url } }
  }
  throw unsupported(index, 'an attachment that is neither base64 data nor an http address')
}

function unsupported(index: number, what: string): GatewayError {
  return new GatewayError(
    'INVALID_REQUEST',
    `messages[${index}] holds ${what}, which this model's provider cannot take.`,
    {
      details: { field: `messages[${index}]` },
    },
  )
}
