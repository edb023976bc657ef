import type { Caller, Credential, MaybePromise } from '@toolgate/core'
import type { ManagedServer } from '../registry/managed-server.ts'
import type { Connection } from './connection.ts'
import type { ToldLevel } from './log-level.ts'

/** Lends connections by (server, revision, scope, isolation); see `connectionKey`. */
export interface Pool {
  /**
   * A connection that belongs to exactly this server, credential and caller. Concurrent callers of one key share one
   * handshake. Rejects with a `GatewayError` naming server and stage.
   */
  acquire(request: AcquireRequest): MaybePromise<Lease>
  /** Closes what belongs to other revisions of this server, or to it altogether; calls in flight finish first. */
  retire(serverId: string, currentRevision?: string): void
  /** Closes what was made for this downstream session alone, because it ended. */
  retireSession(sessionId: string): void
  /** Every connection that was made for this downstream session alone, lent. */
  ofSession(sessionId: string): readonly Lease[]
  readonly size: number
  close(): Promise<void>
}

export interface AcquireRequest {
  readonly server: ManagedServer
  readonly credential: Credential
  readonly caller: Caller | undefined
  readonly signal: AbortSignal
  /** Shared with no other caller, whatever the server and its operator say. */
  readonly perCaller?: boolean | undefined
}

/** Who alone is served by the connection on which something was said. */
export interface Whose {
  /** A principal; absent where everybody shares it. */
  readonly holder?: string | undefined
  /** A downstream session. */
  readonly sessionId?: string | undefined
}

/** Given back when it is disposed; keeps the connection from being closed as idle. */
export interface Lease extends Disposable {
  readonly connection: Connection
  /** It serves one downstream session, or one call, and nobody else. */
  readonly exclusive: boolean
  /** Of the connection, whoever borrows it. */
  readonly toldLevel: ToldLevel
  /** What the connection was made with, for what is said on it beside calls; asked anew each time. */
  headers(): ReturnType<Credential['headers']>
  /** Drops the connection from the pool: its session expired or it answered out of protocol. */
  discard(): void
}
