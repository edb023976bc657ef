/**
 * Which names may travel from a caller to an upstream at all, and which of them say nothing about who the caller is.
 * Names are lower-case.
 */

/** A token of RFC 9110 §5.6.2, in lower case. */
export function isHeaderName(text: string): boolean {
  return /^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(text)
}

/** Connection-specific fields (RFC 9110 §7.6.1), framing, and what the transport itself negotiates. */
const ownedByTheTransport = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'host',
  'expect',
  'content-length',
  'content-type',
  'content-encoding',
  'accept',
  'accept-encoding',
  'last-event-id',
])

/** Session and version headers of MCP itself, and what callers say to this gateway. */
const foreignPrefixes = ['mcp-', 'x-mcp-', 'x-litellm-']

/**
 * Whether a caller's header of this name may go upstream. `cookie` is not refused here: cookies have an allow-list of their own.
 */
export function isForwardableHeader(name: string): boolean {
  return (
    !ownedByTheTransport.has(name) && !foreignPrefixes.some((prefix) => name.startsWith(prefix)) && isHeaderName(name)
  )
}

/** LiteLLM's users write them, and the transport's own win. */
const overruled = new Set(['accept', 'content-type'])

/** The session, the version and the routing of MCP itself. */
const ownedByMcp = new Set(['mcp-session-id', 'mcp-protocol-version', 'mcp-method', 'mcp-name'])

/** Whether an operator may not set a header of this name for a server: it would break the exchange or another's session. */
export function isReservedUpstream(name: string): boolean {
  return ownedByMcp.has(name) || (ownedByTheTransport.has(name) && !overruled.has(name))
}

/** Headers that differ from request to request by nature: as part of an identity they would make every connection a new one. */
const perRequest = new Set([
  'traceparent',
  'tracestate',
  'x-request-id',
  'x-correlation-id',
  'x-amzn-trace-id',
  'x-cloud-trace-context',
  'b3',
  'x-b3-traceid',
  'x-b3-spanid',
  'x-b3-parentspanid',
  'x-b3-sampled',
])

export function identifiesCaller(name: string): boolean {
  return !perRequest.has(name)
}
