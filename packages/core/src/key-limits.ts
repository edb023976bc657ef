/** What a key may use within a minute, at a time and in money, by LiteLLM's fields. Absent: no limit. */
export interface KeyLimits {
  readonly requestsPerMinute?: number | undefined
  readonly tokensPerMinute?: number | undefined
  /** By public name of the model. */
  readonly modelRequestsPerMinute?: ReadonlyMap<string, number> | undefined
  readonly modelTokensPerMinute?: ReadonlyMap<string, number> | undefined
  /** Calls of tools, by server: alias, name or id. */
  readonly serverCallsPerMinute?: ReadonlyMap<string, number> | undefined
  readonly parallelRequests?: number | undefined
  /** Has a budget, in dollars; how much of it is left is the store's to say. */
  readonly hasBudget?: boolean | undefined
}
