import type { JsonObject, JsonRpcNotification, Peer, Secret } from '@toolgate/core'

/**
 * An initialised MCP session with one upstream, as the spine sees it: requests go out with the headers of this very
 * request, results come back as they were sent. Made by a transport, lent by the pool.
 *
 * It validates nothing inside `params` and `result`, and it retries nothing.
 */
export interface Connection {
  readonly handshake: Handshake
  /** The upstream keeps state for this session (an `Mcp-Session-Id`, a process, an SSE stream). */
  readonly sessionful: boolean
  /** False once it closed, for whatever reason; a closed connection answers nothing more. */
  readonly open: boolean
  /**
   * Rejects with a `GatewayError` that names server and stage, with {@link SessionExpired}, or, where the upstream
   * answered with a JSON-RPC error, with `UPSTREAM_ERROR` carrying it.
   */
  request(request: UpstreamRequest): Promise<JsonObject>
  /** Says something that has no answer, where the era has such things. Rejects with a `GatewayError`. */
  notify(notification: JsonRpcNotification, delivery: Pick<UpstreamRequest, 'headers' | 'signal'>): Promise<void>
  /** Ends the session at the upstream too (DELETE, end of the process). Never rejects. */
  close(): Promise<void>
}

/** What `initialize` agreed on (spec 2025-11-25, Lifecycle), or what `server/discover` said (spec 2026-07-28). */
export interface Handshake {
  readonly protocolVersion: string
  readonly capabilities: JsonObject
  readonly serverInfo: JsonObject
  readonly instructions: string | undefined
}

export interface UpstreamRequest {
  readonly method: string
  readonly params: JsonObject
  /** Header name (lower-case) → value, for this request alone. Transports without headers ignore them. */
  readonly headers: ReadonlyMap<string, Secret>
  readonly signal: AbortSignal
  /** Milliseconds without a sign of life; progress resets it. */
  readonly idleTimeoutMs: number
  /** Milliseconds in all, whatever the progress. */
  readonly totalTimeoutMs: number
  /** Gets the notifications and requests that the upstream sends because of this request. */
  readonly peer: Peer
  /** What the server may ask of the caller, for eras that say it with each request; the others said it at the handshake. */
  readonly clientCapabilities?: JsonObject
}

/**
 * The upstream no longer knows the session (HTTP 404, spec 2025-11-25, Session Management), or no longer speaks the era of
 * the connection. Nothing was processed, so the spine may connect anew and send the same request again, once.
 */
export class SessionExpired extends Error {
  override readonly name = 'SessionExpired'
}

/** Hears what an upstream says outside any request, such as `notifications/tools/list_changed`. */
export type UnsolicitedListener = (notification: JsonRpcNotification) => void
