import type { ProtocolEra } from './era.ts'
import type { JsonObject, JsonRpcNotification } from './json-rpc.ts'
import type { Principal } from './principal.ts'
import type { Secret } from './secret.ts'
import type { Spending } from './spending.ts'

/**
 * One request's caller, made once by `authenticate` and passed along unchanged. After this nobody looks at a header.
 */
export interface Caller {
  readonly principal: Principal
  readonly forwarded: Forwarded
  /** Aborted when the client goes away or the gateway's own deadline for the request passes. */
  readonly signal: AbortSignal
  readonly request: RequestInfo
  readonly peer: Peer
  /** The identity provider's token that it was admitted with, for whoever exchanges it there; it is sent to nobody else. */
  readonly vouchedBy?: Secret | undefined
  /** Names of guardrails that the request asks for, beside those that hold for it anyway. */
  readonly guardrails?: readonly string[] | undefined
  /** Where somebody counts what the request costs. */
  readonly spending?: Spending | undefined
}

/** What identifies the request in logs, the ledger and error bodies. */
export interface RequestInfo {
  /** `x-request-id` of the client where it sent a sane one, else ours. */
  readonly requestId: string
  /** Shared by every row that this request causes. */
  readonly traceId: string
  /** The door it came through: `mcp-rest`, `chat`, `admin`, … */
  readonly door: string
  /** What the program that calls calls itself (`User-Agent`), bounded. */
  readonly client?: string | undefined
}

/**
 * What the caller brought for upstreams, set aside and not yet meant for anyone: the credential resolver hands each
 * part to the one server that declares it. Names are lower-case. The gateway's own key is never in here.
 */
export interface Forwarded {
  /** `Authorization`, where the gateway's key came in another header. The value as sent, with its scheme. */
  readonly authorization?: Secret | undefined
  /** LiteLLM's deprecated `x-mcp-auth`: for the one server of a request that names no other. */
  readonly legacyAuth?: Secret | undefined
  /** `x-mcp-{alias}-{header}` without the `x-mcp-`: `{alias}-{header}` → value. */
  readonly serverHeaders: ReadonlyMap<string, Secret>
  /** Every other end-to-end header, for servers that list it in `extra_headers`. */
  readonly headers: ReadonlyMap<string, Secret>
  /** Cookie name → value, for servers that list it in `cookie_names`. */
  readonly cookies: ReadonlyMap<string, Secret>
}

export const nothingForwarded: Forwarded = {
  serverHeaders: new Map(),
  headers: new Map(),
  cookies: new Map(),
}

/**
 * The way back to the client while its request runs: what it declared it can do, notifications to it, and requests
 * (elicitation, sampling, roots) that it answers. Doors without such a way use {@link silentPeer}.
 */
export interface Peer {
  /** What the client speaks; absent for doors that speak no MCP. A modern client is not asked: it is told what is missing. */
  readonly era?: ProtocolEra | undefined
  /** The downstream session, where there is one; part of the connection's identity under `isolation: session`. */
  readonly sessionId?: string | undefined
  /** The client's MCP capabilities as it declared them. */
  readonly capabilities: JsonObject
  /** The least severe log messages that the client wants to hear; absent: of a modern client none, else whatever the server says. */
  readonly logLevel?: string | undefined
  notify(notification: JsonRpcNotification): void
  /** Rejects with a {@link GatewayError} `METHOD_NOT_FOUND` where the client cannot answer. */
  request(request: { method: string; params?: JsonObject }, options: { signal: AbortSignal }): Promise<JsonObject>
}
