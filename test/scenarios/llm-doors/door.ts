import type { JsonObject, JsonValue } from '@toolgate/core'

/**
 * Every LLM door, asked alike: a question with tools as its dialect writes it, and what its answers say in no dialect's words. Streams
 * are put together here without any code of the gateway, and one that breaks the grammar of its dialect fails.
 */
export interface LlmDoor {
  readonly name: string
  readonly model: string
  path(streamed: boolean): string
  /** Fields of a request beside the model. */
  body(question: Question): JsonObject
  readWhole(answer: JsonObject): Answered
  readStream(text: string): Answered
}

export interface Question {
  readonly streamed: boolean
  /** MCP entries. */
  readonly entries: readonly JsonObject[]
  /** Names of the client's own functions, without parameters. */
  readonly functions: readonly string[]
}

export interface Answered {
  readonly text: string
  readonly thought: string
  /** What the client has to answer: its own functions, and calls to approve. */
  readonly handed: readonly Handed[]
  /** MCP items of the dialects that have them. */
  readonly items: readonly JsonValue[]
  readonly finish: JsonValue
  readonly usage: JsonValue
  readonly report: JsonValue
}

export interface Handed {
  readonly name: string
  readonly input: JsonValue
}

/** Parameters of a function of the client's. */
export const noParameters: JsonObject = { type: 'object', properties: {} }
