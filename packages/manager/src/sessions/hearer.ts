import type { JsonRpcNotification, Principal } from '@toolgate/core'

/** Whoever may be told of what happens outside any request: a session, or a subscription of the era without sessions. */
export interface Hearer {
  /** Id of the principal. */
  readonly owner: string
  readonly principal: Principal | undefined
  /** What its endpoint leads to, by the names that it was asked for; absent: everything. */
  readonly names: readonly string[] | undefined
  subscribed(uri: string): boolean
  tell(notification: JsonRpcNotification): void
}
