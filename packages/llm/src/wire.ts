import type { JsonObject } from '@toolgate/core'

/** The APIs in which a model can be asked. Every provider speaks `chat` on this side; some speak others natively. */
export type WireDialect = 'chat' | 'responses' | 'messages' | 'gemini'

/** What of the client's own request goes along to a provider that speaks its dialect: never a credential. */
export interface Passing {
  readonly headers: Readonly<Record<string, string>>
  /** With its `?`, or empty. */
  readonly query: string
  /** The model as the client named it: what an answer says that is made here and not relayed. It is sent to nobody. */
  readonly model?: string | undefined
}

export const nothingPasses: Passing = { headers: {}, query: '' }

/** What is left of it in another dialect. */
export function nameAlone(passing: Passing | undefined): Passing {
  return { ...nothingPasses, model: passing?.model }
}

/** One dialect of one model. Bodies name the model as the provider does. */
export interface Wire {
  /** One whole answer. Rejects as the provider that it leads to. */
  generate(body: JsonObject, signal: AbortSignal, passing?: Passing): Promise<JsonObject>
  /** The same as server-sent events. Must be read to its end or left by `return()`. */
  stream(body: JsonObject, signal: AbortSignal, passing?: Passing): Promise<AsyncIterable<Uint8Array>>
}
