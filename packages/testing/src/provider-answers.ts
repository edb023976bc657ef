import { crc32 } from 'node:zlib'
import type { JsonObject } from '@toolgate/core'
import { completion, completionEvents, message, messageEvents, type ScriptedAnswer, toolCall } from './llm-server.ts'

/** What a model says, in no provider's words. */
export interface Said {
  readonly thought?: string
  readonly text?: string
  readonly calls?: readonly SaidCall[]
}

export interface SaidCall {
  readonly id: string
  readonly name: string
  readonly input: JsonObject
}

/** How one kind of provider answers: shapes as its documentation and its recorded answers have them. */
export interface ProviderAnswers {
  whole(said: Said): ScriptedAnswer
  stream(said: Said): ScriptedAnswer
  refusal(status: number, message: string): ScriptedAnswer
}

/** Counts of every answer: 10 asked, 5 answered. */
const [asked, answered] = [10, 5]

function chatAnswer({ thought, text, calls = [] }: Said): JsonObject {
  return completion({
    content: text ?? null,
    ...(thought !== undefined && { reasoning_content: thought }),
    ...(calls.length > 0 && { tool_calls: calls.map(({ id, name, input }) => toolCall(name, input, id)) }),
  })
}

export const openAiAnswers: ProviderAnswers = {
  whole: (said) => ({ json: chatAnswer(said) }),
  stream: (said) => ({ events: completionEvents(chatAnswer(said)) }),
  refusal: (status, text) => ({
    status,
    json: { error: { message: text, type: 'invalid_request_error', code: null } },
  }),
}

function anthropicMessage({ thought, text, calls = [] }: Said): JsonObject {
  return message(
    [
      ...(thought === undefined ? [] : [{ type: 'thinking', thinking: thought, signature: 'signed' }]),
      ...(text === undefined ? [] : [{ type: 'text', text }]),
      ...calls.map(({ id, name, input }) => ({ type: 'tool_use', id, name, input })),
    ],
    { usage: { input_tokens: asked, output_tokens: answered } },
  )
}

export const anthropicAnswers: ProviderAnswers = {
  whole: (said) => ({ json: anthropicMessage(said) }),
  stream: (said) => ({ events: messageEvents(anthropicMessage(said)) }),
  refusal: (status, text) => ({
    status,
    json: { type: 'error', error: { type: 'invalid_request_error', message: text } },
  }),
}

function geminiAnswer(parts: JsonObject[], finished: boolean): JsonObject {
  return {
    candidates: [{ content: { role: 'model', parts }, ...(finished && { finishReason: 'STOP' }), index: 0 }],
    ...(finished && {
      usageMetadata: { promptTokenCount: asked, candidatesTokenCount: answered, totalTokenCount: asked + answered },
    }),
    modelVersion: 'gemini-fake',
    responseId: 'gemini-response',
  }
}

function geminiParts({ thought, text, calls = [] }: Said): JsonObject[] {
  return [
    ...(thought === undefined ? [] : [{ text: thought, thought: true }]),
    ...(text === undefined ? [] : [{ text }]),
    ...calls.map(({ id, name, input }, index) => ({
      functionCall: { id, name, args: input },
      ...(index === 0 && { thoughtSignature: 'signed' }),
    })),
  ]
}

export const geminiAnswers: ProviderAnswers = {
  whole: (said) => ({ json: geminiAnswer(geminiParts(said), true) }),
  stream: (said) => ({
    events: geminiParts(said)
      .map((part, index, all) => geminiAnswer([part], index === all.length - 1))
      .map((piece) => `data: ${JSON.stringify(piece)}\r\n\r\n`),
  }),
  refusal: (status, text) => ({ status, json: { error: { code: status, message: text, status: 'INVALID_ARGUMENT' } } }),
}

const cohereUsage = {
  billed_units: { input_tokens: asked, output_tokens: answered },
  tokens: { input_tokens: asked, output_tokens: answered },
}

function cohereReason({ calls = [] }: Said): string {
  return calls.length > 0 ? 'TOOL_CALL' : 'COMPLETE'
}

export const cohereAnswers: ProviderAnswers = {
  whole: (said) => ({
    json: {
      id: 'cohere-answer',
      message: {
        role: 'assistant',
        content: [
          ...(said.thought === undefined ? [] : [{ type: 'thinking', thinking: said.thought }]),
          ...(said.text === undefined ? [] : [{ type: 'text', text: said.text }]),
        ],
        ...(said.calls && { tool_calls: said.calls.map(({ id, name, input }) => toolCall(name, input, id)) }),
      },
      finish_reason: cohereReason(said),
      usage: cohereUsage,
    },
  }),
  stream(said) {
    const content = [
      ...(said.thought === undefined ? [] : [{ type: 'thinking', thinking: said.thought }]),
      ...(said.text === undefined ? [] : [{ type: 'text', text: said.text }]),
    ]
    const events: (JsonObject & { type: string })[] = [
      { type: 'message-start', id: 'cohere-answer', delta: { message: { role: 'assistant' } } },
      ...content.flatMap(({ type, ...piece }, index) => {
        const empty = Object.fromEntries(Object.keys(piece).map((key) => [key, '']))
        return [
          { type: 'content-start', index, delta: { message: { content: { type, ...empty } } } },
          { type: 'content-delta', index, delta: { message: { content: piece } } },
          { type: 'content-end', index },
        ]
      }),
      ...(said.calls ?? []).flatMap(({ id, name, input }, index) => {
        const begun = { id, type: 'function', function: { name, arguments: '' } }
        const rest = { function: { arguments: JSON.stringify(input) } }
        return [
          { type: 'tool-call-start', index, delta: { message: { tool_calls: begun } } },
          { type: 'tool-call-delta', index, delta: { message: { tool_calls: rest } } },
          { type: 'tool-call-end', index },
        ]
      }),
      { type: 'message-end', delta: { finish_reason: cohereReason(said), usage: cohereUsage } },
    ]
    return { events: events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`) }
  },
  refusal: (status, text) => ({ status, json: { message: text } }),
}

const bedrockUsage = { inputTokens: asked, outputTokens: answered, totalTokens: asked + answered }

function bedrockReason({ calls = [] }: Said): string {
  return calls.length > 0 ? 'tool_use' : 'end_turn'
}

export const bedrockAnswers: ProviderAnswers = {
  whole: (said) => ({
    json: {
      metrics: { latencyMs: 1 },
      output: {
        message: {
          role: 'assistant',
          content: [
            ...(said.thought === undefined
              ? []
              : [{ reasoningContent: { reasoningText: { text: said.thought, signature: 'signed' } } }]),
            ...(said.text === undefined ? [] : [{ text: said.text }]),
            ...(said.calls ?? []).map(({ id, name, input }) => ({ toolUse: { toolUseId: id, name, input } })),
          ],
        },
      },
      stopReason: bedrockReason(said),
      usage: bedrockUsage,
    },
  }),
  stream(said) {
    const blocks: JsonObject[][] = [
      ...(said.thought === undefined
        ? []
        : [
            [
              { delta: { reasoningContent: { text: said.thought } } },
              { delta: { reasoningContent: { signature: 'signed' } } },
            ],
          ]),
      ...(said.text === undefined ? [] : [[{ delta: { text: said.text } }]]),
      ...(said.calls ?? []).map(({ id, name, input }) => [
        { start: { toolUse: { toolUseId: id, name } } },
        { delta: { toolUse: { input: JSON.stringify(input) } } },
      ]),
    ]
    const frames = [
      awsEvent('messageStart', { role: 'assistant' }),
      ...blocks.flatMap((pieces, contentBlockIndex) => [
        ...pieces.map((piece) =>
          awsEvent('start' in piece ? 'contentBlockStart' : 'contentBlockDelta', { contentBlockIndex, ...piece }),
        ),
        awsEvent('contentBlockStop', { contentBlockIndex }),
      ]),
      awsEvent('messageStop', { stopReason: bedrockReason(said) }),
      awsEvent('metadata', { usage: bedrockUsage, metrics: { latencyMs: 1 } }),
    ]
    return { bytes: Buffer.concat(frames), contentType: 'application/vnd.amazon.eventstream' }
  },
  refusal: (status, text) => ({ status, json: { message: text } }),
}

/** One message of AWS's event streams: lengths, their checksum, headers, JSON, and the checksum of it all. */
function awsEvent(type: string, payload: JsonObject): Buffer {
  const headers = Buffer.concat([
    awsHeader(':event-type', type),
    awsHeader(':content-type', 'application/json'),
    awsHeader(':message-type', 'event'),
  ])
  const body = Buffer.from(JSON.stringify(payload))
  const prelude = Buffer.alloc(8)
  prelude.writeUInt32BE(16 + headers.length + body.length, 0)
  prelude.writeUInt32BE(headers.length, 4)
  const checked = Buffer.concat([prelude, checksum(prelude), headers, body])
  return Buffer.concat([checked, checksum(checked)])
}

const textHeader = 7

function awsHeader(name: string, value: string): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(Buffer.byteLength(value))
  return Buffer.concat([Buffer.of(name.length), Buffer.from(name), Buffer.of(textHeader), length, Buffer.from(value)])
}

function checksum(bytes: Buffer): Buffer {
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(crc32(bytes))
  return sum
}
