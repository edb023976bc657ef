import type { Clock, JsonObject, Logger, NewId } from '@toolgate/core'
import type { Database } from '@toolgate/db'
import type { Session } from './session.ts'
import type { SessionStore } from './session-store.ts'

export interface OpenSession {
  readonly protocolVersion: string
  readonly capabilities: JsonObject
  /** What the client calls itself, bounded. */
  readonly client?: string | undefined
  readonly names: readonly string[] | undefined
}

export interface SessionBounds {
  /** Sessions of one principal. */
  readonly perOwner: number
  readonly idleMs: number
  /** How often the store is told what is used, and asked what ended elsewhere and was not heard. */
  readonly noteMs: number
}

export const defaultSessionBounds: SessionBounds = { perOwner: 100, idleMs: 30 * 60_000, noteMs: 15_000 }

export interface SessionsOptions {
  readonly store: SessionStore
  readonly feed: Pick<Database, 'listen'>
  readonly clock: Clock
  readonly log: Logger
  readonly newId: NewId
  /** A session ended, or is no longer served here. Must not throw. */
  readonly onEnd?: (session: Session) => void
  /** The client said so, be it here or elsewhere. Must not throw. */
  readonly onLogLevel?: (session: Session) => void
  readonly onRoots?: (session: Session) => void
  readonly bounds?: Partial<SessionBounds>
}
