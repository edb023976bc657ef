import {
  type CallToolResult,
  type ClientCapabilities,
  fromJsonSchema,
  type InputRequiredResult,
  type ServerContext,
  type StandardSchemaWithJSON,
} from '@modelcontextprotocol/server'
import type { ChangingOffer } from './changing-offer.ts'

/** What a tool of the fixture is given: the request, and the server behind it. */
export interface ToolCall {
  readonly args: Readonly<Record<string, unknown>>
  readonly context: ServerContext
  readonly offer: ChangingOffer
  /** As the client declared them: for the session, or with this request. */
  readonly capabilities: ClientCapabilities
}

export interface FixtureTool {
  readonly name: string
  readonly description: string
  readonly inputSchema: StandardSchemaWithJSON<Record<string, unknown>, Record<string, unknown>>
  readonly outputSchema?: StandardSchemaWithJSON
  run(call: ToolCall): Promise<CallToolResult | InputRequiredResult> | CallToolResult | InputRequiredResult
}

type Properties = Readonly<Record<string, { readonly type: string; readonly [keyword: string]: unknown }>>

/** Every named property is required. */
export function takes(properties: Properties): FixtureTool['inputSchema'] {
  return fromJsonSchema({ type: 'object', properties, required: Object.keys(properties) })
}

export function text(said: string): CallToolResult {
  return { content: [{ type: 'text', text: said }] }
}
