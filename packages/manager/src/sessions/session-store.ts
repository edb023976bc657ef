import type { JsonObject } from '@toolgate/core'

/** A session as it is kept: what any gateway needs to serve it. */
export interface StoredSession {
  readonly id: string
  readonly owner: string
  readonly protocolVersion: string
  readonly capabilities: JsonObject
  /** What the client calls itself. */
  readonly client: string | undefined
  readonly names: readonly string[] | undefined
  readonly logLevel: string | undefined
  /** URIs of resources. */
  readonly subscriptions: readonly string[]
}

export interface OpenRequest {
  readonly session: StoredSession
  /** Sessions of one owner. */
  readonly cap: number
  /** Something runs in these here, so they do not make room. */
  readonly busy: readonly string[]
}

export interface Use {
  readonly used: readonly string[]
  /** Something runs in these, or listens to them. */
  readonly held: readonly string[]
  readonly heldForMs: number
}

/** A message that was to be sent on a stream. */
export interface StreamEvent {
  readonly position: number
  readonly message: string
  readonly last: boolean
}

/** Where sessions live, for all gateways of one database. Every method rejects with `STORE_UNAVAILABLE` where it cannot be asked. */
export interface SessionStore {
  /** Makes room for it by ending the longest idle ones of its owner, whose ids it answers; undefined where none is idle. */
  open(request: OpenRequest): Promise<readonly string[] | undefined>
  load(id: string): Promise<StoredSession | undefined>
  setLogLevel(id: string, level: string): Promise<void>
  setSubscriptions(id: string, uris: readonly string[]): Promise<void>
  /** Notes that they are used, and answers which of them there still are. */
  touch(use: Use): Promise<readonly string[]>
  /** Announces the end. Whether there was such a session. */
  end(id: string): Promise<boolean>
  /** Ends what was not used for so long. */
  endIdle(idleMs: number): Promise<readonly string[]>
  /** Tells every gateway; what is too long for a notification waits as mail. */
  announce(message: string): Promise<void>
  takeMail(id: string): Promise<string | undefined>
  appendEvents(
    stream: { readonly id: string; readonly sessionId: string },
    events: readonly StreamEvent[],
  ): Promise<void>
  eventsAfter(
    stream: { readonly id: string; readonly sessionId: string },
    position: number,
  ): Promise<readonly StreamEvent[]>
  /** Removes mail and events that nobody came for. */
  forgetOld(olderThanMs: number): Promise<void>
}

/** What gateways tell each other about sessions. */
export const sessionChannel = 'toolgate_mcp_sessions'
