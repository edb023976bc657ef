import type { Caller, Clock, Credential, JsonObject, Logger, Outbound, ServerDefinition } from '@toolgate/core'
import type { Connection, UnsolicitedListener } from '../upstream/connection.ts'

/** What every transport plug is given by the composition root. */
export interface TransportOptions {
  readonly outbound: Outbound
  readonly clock: Clock
  readonly log: Logger
  /** How the gateway introduces itself to servers. */
  readonly clientInfo: ClientInfo
}

export interface ClientInfo {
  readonly name: string
  readonly version: string
}

/** One server's declared way to be reached: the product of a transport plug. */
export interface UpstreamTransport {
  readonly type: string
  /** Where it is, for admins: an address without credentials, or a command without its arguments, which may hold some. */
  readonly address: string
  /**
   * How far a connection without anybody's own credential is shared by default: by everyone, or only until the server
   * turns out to keep state per session.
   */
  readonly sharing: 'always' | 'unless-sessionful'
  /** Requests carry headers. Without, no connection differs by its credential, and discovery shares the callers' one. */
  readonly sendsHeaders: boolean
  /** Connects and shakes hands, within the server's time limits for both. Leaves nothing open on failure. */
  connect(request: ConnectRequest): Promise<Connection>
}

export interface ConnectRequest {
  readonly server: ServerDefinition
  readonly credential: Credential
  /** Absent for discovery and health. */
  readonly caller: Caller | undefined
  /** What the gateway declares it can do for this upstream, on behalf of the caller. */
  readonly clientCapabilities: JsonObject
  /** The connection will serve one downstream session, or one call: whatever the server says is that caller's. */
  readonly exclusive: boolean
  readonly signal: AbortSignal
  readonly onUnsolicited: UnsolicitedListener
}
