import type { JsonObject, NewId, ServerOutcome } from '@toolgate/core'
import type { LoopTool } from '../loop-tool.ts'

/**
 * What the tool loop must be able to do with a request and an answer, whatever API they are written in. A dialect knows
 * the shapes and nothing else: it executes nothing, keeps nothing, and leaves every field it does not know as it came.
 * Every function returns a new value.
 */
export interface Dialect {
  /** The client sends back what the gateway did, so that nothing has to be kept of a turn. */
  readonly replays: boolean
  /** Names of the functions that the client offers itself. */
  clientFunctions(body: JsonObject): ReadonlySet<string>
  /**
   * The request as the provider gets it in the first round: not streamed, with the gateway's tools. Rejects with
   * `INVALID_REQUEST` what a loop cannot serve.
   */
  begin(body: JsonObject, tools: readonly LoopTool[]): JsonObject
  /** Reads one answer, however loosely it is written. Rejects with `PROVIDER_PROTOCOL` where there is none in it. */
  readTurn(response: JsonObject, newId: NewId): Turn
  /** The request continued by what the model said and by the results of those of its calls that have one. */
  append(body: JsonObject, turn: Turn, results: readonly ToolOutcome[]): JsonObject
  /** A choice that forces a call would force it in every round: from the second on the model decides. */
  relaxToolChoice(body: JsonObject): JsonObject
  /** The request without any tool: the model has to answer. */
  withoutTools(body: JsonObject): JsonObject
  /** What `body` holds beyond `from`: everything the loop appended. */
  appendedSince(from: JsonObject, body: JsonObject): readonly JsonObject[]
  /** Puts back what earlier requests appended and the client never saw; `find` looks it up by call ids, all at once. */
  restore(body: JsonObject, find: FindAppended): Promise<JsonObject>
  /**
   * Calls that the client was asked about and has decided on, where the dialect has a way to say so, each once: of the client's
   * request, from before {@link Dialect.begin}. A call that the request says has run is none of them.
   */
  approvals?(body: JsonObject): readonly DecidedCall[]
  /** The request with what those calls came to, in their place. */
  settle?(body: JsonObject, outcomes: readonly ToolOutcome[]): JsonObject
  answer(answer: AnswerParts): JsonObject
}

export interface DecidedCall {
  readonly call: TurnCall
  readonly approve: boolean
}

export type FindAppended = (callIds: readonly string[]) => Promise<ReadonlyMap<string, readonly JsonObject[]>>

/** One assistant message, normalised. */
export interface Turn {
  /** Empty where the model said nothing. */
  readonly text: string
  readonly calls: readonly TurnCall[]
  /** Token counts as the provider sent them. */
  readonly usage: JsonObject | undefined
  /** The provider's message as it came. */
  readonly message: JsonObject
}

export interface TurnCall {
  /** Unique within the turn; ours where the provider sent none. */
  readonly id: string
  readonly name: string
  readonly arguments: CallArguments
  /** The call as it came, for whoever it is meant for. */
  readonly raw: JsonObject
}

export type CallArguments =
  | { readonly ok: true; readonly value: JsonObject }
  | { readonly ok: false; readonly problem: string }

/** What one call came to, as the model reads it. */
export interface ToolOutcome {
  readonly call: TurnCall
  readonly text: string
  /** The tool said so, or could not be run. */
  readonly failed: boolean
  /** False: answered without running anything, in this request or an earlier one. */
  readonly ran: boolean
  /** What finds the whole result, where the model is shown a part of it. */
  readonly fullResultId?: string | undefined
  /** Absent where the call named no tool there is. */
  readonly tool?: LoopTool | undefined
}

/** One round as it went. */
export interface PlayedTurn {
  readonly turn: Turn
  readonly outcomes: readonly ToolOutcome[]
}

export interface AnswerParts {
  /** The last answer of the provider: what the client gets is this one, completed. */
  readonly response: JsonObject
  /** Every round in order; the last one is `response`. */
  readonly turns: readonly PlayedTurn[]
  /** What the client asked for. */
  readonly request: JsonObject
  /** Summed over all rounds. */
  readonly usage: JsonObject | undefined
  /** Calls the client has to answer itself; none: the answer is final. */
  readonly returned: readonly TurnCall[]
  /** Shown as `provider_specific_fields` of a chat message. */
  readonly report: JsonObject
  /** The gateway's, as they were offered. */
  readonly tools: readonly LoopTool[]
  /** Of the servers that were asked for them. */
  readonly outcomes: readonly ServerOutcome[]
  readonly limitReached: string | undefined
  readonly newId: NewId
}
