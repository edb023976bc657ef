import type { JsonRpcNotification, Principal } from '@toolgate/core'

/** Something to tell outside any request. */
export interface News {
  readonly notification: JsonRpcNotification
  /** Asked of the caller as it is when it is told: it may have lost what this is about. Absent: it is for whoever is told. */
  readonly isFor?: ((principal: Principal) => boolean) | undefined
}

/** Whoever may be told of what happens outside any request: a session, or a subscription of the era without sessions. */
export interface Hearer {
  /** Id of the principal. */
  readonly owner: string
  readonly principal: Principal | undefined
  /** What its endpoint leads to, by the names that it was asked for; absent: everything. */
  readonly names: readonly string[] | undefined
  subscribed(uri: string): boolean
  tell(news: News): void
}
