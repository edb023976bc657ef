import type { Clock, JsonObject, NewId, Outbound, Plug, Secret } from '@toolgate/core'

/** What every provider plug is given by the composition root. */
export interface ProviderOptions {
  readonly outbound: Outbound
  readonly clock: Clock
  readonly newId: NewId
}

/** A deployment's way to its model: the product of a provider plug, speaking OpenAI's chat completions on this side. */
export interface LlmProvider {
  readonly type: string
  /**
   * One whole answer to `body`, whose `model` is already the provider's own name. Rejects with `PROVIDER_ERROR`,
   * `PROVIDER_TIMEOUT`, `PROVIDER_UNREACHABLE`, `PROVIDER_PROTOCOL` or `CANCELLED`.
   */
  generate(body: JsonObject, signal: AbortSignal): Promise<JsonObject>
  /**
   * The same as server-sent events, ready to be relayed. Rejects before the first byte, or while iterating, with the same
   * codes. Must be read to its end or left by `return()`.
   */
  stream(body: JsonObject, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>
}

/** A provider is all of its file: also which names and which variable LiteLLM's users expect it to answer to. */
export interface ProviderPlug extends Plug<ProviderOptions, LlmProvider> {
  /** Model names without `provider/` that belong here. */
  readonly modelNames?: RegExp
  /** The environment variable with the key of entries that have none. */
  readonly apiKeyVariable?: string
}

/** What went wrong is told with the provider's and the model's name, never with the key. */
export interface ProviderParty {
  readonly provider: string
  readonly model: string
  readonly apiKey?: Secret | undefined
}
