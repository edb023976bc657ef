import type { Clock, JsonObject, NewId, Outbound, Plug, Secret } from '@toolgate/core'
import type { SchemaProfile, StrictProfile } from '../schemas/profiles.ts'
import type { Passing, Wire } from '../wire.ts'

/** What every provider plug is given by the composition root. */
export interface ProviderOptions {
  readonly outbound: Outbound
  readonly clock: Clock
  readonly newId: NewId
  /** Undefined where there is none that can be read. Default: from the disk, which is the operator's alone to name. */
  readonly readCredentialFile?: (path: string) => Promise<string | undefined>
}

/**
 * A deployment's way to its model: the product of a provider plug, speaking OpenAI's chat completions on this side. It
 * rejects with `PROVIDER_ERROR`, `PROVIDER_TIMEOUT`, `PROVIDER_UNREACHABLE`, `PROVIDER_PROTOCOL` or `CANCELLED`; a stream
 * before its first byte, or while iterating.
 */
export interface LlmProvider extends Wire {
  readonly type: string
  /** Other dialects that it speaks itself: such traffic is relayed. */
  readonly native?: NativeWires | undefined
  /** How its models take the schemas of tools; absent: however they come. */
  readonly schemas?: SchemaProfile | undefined
  /** How it takes those of functions with `strict: true`; absent: as any other. */
  readonly strictSchemas?: StrictProfile | undefined
  /** OpenAI's `/embeddings`. Absent where the provider has none. */
  embed?(body: JsonObject, signal: AbortSignal, passing?: Passing): Promise<JsonObject>
  /** OpenAI's older `/completions`. Absent where the provider has none. */
  readonly completions?: Wire | undefined
}

export interface NativeWires {
  readonly responses?: Wire | undefined
  readonly messages?: Wire | undefined
  readonly gemini?: Wire | undefined
  /** Anthropic's `count_tokens`: costs nothing, and is no answer of a model. */
  readonly countTokens?: Pick<Wire, 'generate'> | undefined
  /** Gemini's `countTokens`, likewise. */
  readonly countGeminiTokens?: Pick<Wire, 'generate'> | undefined
}

/** A provider is all of its file: also which names and which variable LiteLLM's users expect it to answer to. */
export interface ProviderPlug extends Plug<ProviderOptions, LlmProvider> {
  /** Model names without `provider/` that belong here. */
  readonly modelNames?: RegExp
  /** Of several plugs of one name, the models of this one; absent: all. */
  readonly serves?: RegExp
  /** Setting → the environment variable that gives it to entries without it. */
  readonly variables?: Readonly<Record<string, string>>
}

/** What went wrong is told with the provider's name and the model's, as the client knows it, never with a credential. */
export interface ProviderParty {
  readonly provider: string
  readonly model: string
  readonly credentials: readonly Secret[]
}
