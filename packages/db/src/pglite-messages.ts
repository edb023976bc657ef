/** What passes between the thread of the requests and the thread of the embedded database. Plain data only. */

/** What the thread opens; it arrives as its `workerData`. */
export interface OpenOptions {
  /** Absent for a database in memory. */
  readonly folder?: string
  readonly snapshot?: Uint8Array
}

export interface Statement {
  readonly sql: string
  readonly params: readonly unknown[]
  readonly rowMode: 'array' | 'object'
  /** What a `copy … from '/dev/blob'` reads. */
  readonly input?: string
}

export type Request =
  | { readonly kind: 'query'; readonly statement: Statement; readonly transaction?: number }
  /** Answered once it has begun; from then on the id of this request names the transaction. */
  | { readonly kind: 'begin' }
  | { readonly kind: 'end'; readonly transaction: number; readonly commit: boolean }
  /** The id of this request names the listener. */
  | { readonly kind: 'listen'; readonly channel: string }
  | { readonly kind: 'unlisten'; readonly listener: number }
  | { readonly kind: 'snapshot' }
  /** Takes back the transactions that are still open. */
  | { readonly kind: 'close' }

export type NumberedRequest = Request & { readonly id: number }

/** The number of the answer that says whether the database could be opened. */
export const openingId = 0

export interface Answer {
  readonly id: number
  readonly rows?: readonly unknown[]
  readonly affectedRows?: number
  readonly snapshot?: Uint8Array<ArrayBuffer>
  readonly error?: ErrorFields
}

export interface Notification {
  readonly listener: number
  readonly payload: string
}

/** Of a driver's error what our code reads. The statement and its data, which it also holds, stay where they are. */
export interface ErrorFields {
  readonly message: string
  readonly code?: string
  readonly constraint?: string
}
