import type {
  Caller,
  Clock,
  Credential,
  JsonObject,
  Logger,
  Outbound,
  ProtocolEra,
  Scope,
  ServerDefinition,
} from '@toolgate/core'
import type { Connection, UnsolicitedListener } from '../upstream/connection.ts'
import type { ChildExit } from './stdio/child.ts'
import type { ChildProcesses } from './stdio/child-processes.ts'

/** What every transport plug is given by the composition root. */
export interface TransportOptions {
  readonly outbound: Outbound
  /** For addresses that neither the operator nor an administrator named: it asks the address guard. */
  readonly guardedOutbound: Outbound
  readonly clock: Clock
  readonly log: Logger
  /** How the gateway introduces itself to servers. */
  readonly clientInfo: ClientInfo
  /** The gateway's child processes, so that their bound is one for all servers. */
  readonly children: ChildProcesses
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
  /**
   * The era that a connection would speak, as far as that is known: `wanted` where the server speaks both. Absent: always
   * legacy.
   */
  eraFor?(wanted: ProtocolEra, scope: Scope): ProtocolEra | undefined
  /** Connects and shakes hands, within the server's time limits for both. Leaves nothing open on failure. */
  connect(request: ConnectRequest): Promise<Connection>
  /** What is known of the way to the server beside its answers, for administrators. Asks nobody. */
  diagnostics?(): TransportDiagnostics | undefined
}

/** Without any secret that the server was given. */
export interface TransportDiagnostics {
  /** The transport that the server turned out to speak, where that is found out. */
  readonly transportInUse?: string | undefined
  /** The newest protocol era that it turned out to speak, and since when (milliseconds since the epoch) that is known. */
  readonly era?: ProtocolEra | undefined
  readonly eraSince?: number | undefined
  /** Of the latest child, while it runs. */
  readonly pid?: number | undefined
  /** The last that the latest child wrote to its standard error. */
  readonly stderr?: string | undefined
  /** Lines on the latest child's standard output that were no messages. */
  readonly junkLines?: number | undefined
  /** Starts that followed a crash or a failed start. */
  readonly restarts?: number | undefined
  readonly lastExit?: ChildExit | undefined
  /** Operations of an OpenAPI document that are not offered, with the reason. */
  readonly leftOut?: readonly string[] | undefined
  /** Milliseconds until it may be started again; absent where it may at once. */
  readonly nextStartInMs?: number | undefined
}

export interface ConnectRequest {
  readonly server: ServerDefinition
  readonly credential: Credential
  /** Absent for discovery and health. */
  readonly caller: Caller | undefined
  /** Of two eras that the server speaks, the one that suits the caller; otherwise the one there is. */
  readonly era: ProtocolEra
  /** What the gateway declares it can do for this upstream, on behalf of the caller. */
  readonly clientCapabilities: JsonObject
  /** The connection will serve one downstream session, or one call: whatever the server says is that caller's. */
  readonly exclusive: boolean
  readonly signal: AbortSignal
  readonly onUnsolicited: UnsolicitedListener
}
