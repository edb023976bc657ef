/** How requests are spread over the deployments of a name, and what is done where one of them fails. */
export interface RouterSettings {
  readonly strategy: RoutingStrategy
  /**
   * Attempts beside the first, over all deployments of a name. Undefined: up to {@link defaultRetries} on deployments that were
   * not asked yet, and never a second one on the same: clients repeat by themselves.
   */
  readonly retries: number | undefined
  /** The least wait before the same deployment is asked again. */
  readonly retryAfterMs: number
  /** Failures within a minute that a deployment may have before it cools down. */
  readonly allowedFails: number
  readonly cooldownMs: number
  /** For entries without a `timeout` of their own. Undefined: the provider's. */
  readonly timeoutMs: number | undefined
  /** Until the first byte of a stream. */
  readonly streamTimeoutMs: number | undefined
  readonly fallbacks: Fallbacks
  /** Another name → what it stands for. */
  readonly aliases: ReadonlyMap<string, ModelAlias>
}

export type RoutingStrategy = 'simple-shuffle' | 'least-busy'

/** Name → the names to try in its place, in order. */
export type FallbackTable = ReadonlyMap<string, readonly string[]>

export interface Fallbacks {
  /** Where a provider is at fault. */
  readonly general: FallbackTable
  /** Where the request is too long for the model. */
  readonly contextWindow: FallbackTable
  /** Where the provider refuses the content. */
  readonly contentPolicy: FallbackTable
  /** In place of `general`, for names that it does not have. */
  readonly others: readonly string[]
}

export interface ModelAlias {
  readonly model: string
  /** Not in the list of models. */
  readonly hidden: boolean
}

/** LiteLLM's numbers. */
export const defaultRetries = 2

export const defaultRouterSettings: RouterSettings = {
  strategy: 'simple-shuffle',
  retries: undefined,
  retryAfterMs: 0,
  allowedFails: 3,
  cooldownMs: 5_000,
  timeoutMs: undefined,
  streamTimeoutMs: undefined,
  fallbacks: { general: new Map(), contextWindow: new Map(), contentPolicy: new Map(), others: [] },
  aliases: new Map(),
}
