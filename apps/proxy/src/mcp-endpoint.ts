/**
 * Which paths speak MCP, and what each of them leads to: `/mcp`, `/mcp/{names}`, `/{names}/mcp`, each with and without a
 * trailing slash, `/toolset/{name}/mcp`, and the endpoints of the legacy transport. Pure text: who may reach what is decided elsewhere.
 */
export interface McpEndpoint {
  readonly transport: 'streamable' | 'sse' | 'sse-messages'
  /** Servers, access groups or toolsets, as the path names them; absent: it names none. */
  readonly names?: readonly string[]
  /** `/mcp/proxy`: tool search and nothing beside it, for every key. A server of that name is at `/proxy/mcp`. */
  readonly onlySearch?: boolean
  /** The one toolset that the path names as one. */
  readonly toolset?: string
}

/** For the router. What matches and is no endpoint all the same is told by {@link mcpEndpointOf}. */
export const mcpPathPatterns = [
  '/mcp',
  '/mcp/*',
  '/sse',
  '/sse/*',
  '/:names/mcp',
  '/:names/mcp/',
  '/:owner/:name/mcp',
  '/:owner/:name/mcp/',
] as const

const legacy = new Map<string, McpEndpoint>([
  ['/sse', { transport: 'sse' }],
  ['/mcp/sse', { transport: 'sse' }],
  ['/sse/messages', { transport: 'sse-messages' }],
  ['/mcp/sse/messages', { transport: 'sse-messages' }],
])

const searchPath = '/mcp/proxy'

/** First segments under which other doors live. What begins with a dot is never a name: `/.well-known/` needs no key. */
const taken = /^\/(?:\.|v1\/|v2\/|key\/|config\/|connect\/|mcp-rest\/|mcp\/(?:\.|tools(?:\/|$)|enabled$))/

export function mcpEndpointOf(path: string): McpEndpoint | undefined {
  if (taken.test(path)) return undefined
  const trimmed = path.endsWith('/') ? path.slice(0, -1) : path
  if (trimmed === '/mcp') return { transport: 'streamable' }
  if (trimmed === searchPath) return { transport: 'streamable', onlySearch: true }
  const known = legacy.get(trimmed)
  if (known !== undefined) return known
  const toolset = /^\/toolset\/([^/]+)\/mcp$/.exec(trimmed)?.[1]
  if (toolset !== undefined) return { transport: 'streamable', toolset: decoded(toolset) }
  const named = /^\/mcp\/(.+)$/.exec(trimmed)?.[1] ?? /^\/(.+)\/mcp$/.exec(trimmed)?.[1]
  const names = named === undefined ? undefined : readNames(named)
  return names && { transport: 'streamable', names }
}

/** `/mcp/{names}` of an endpoint that is written the other way round, without a slash at its end: one spelling for what a key is allowed. */
export function canonicalMcpPath(path: string): string | undefined {
  const endpoint = mcpEndpointOf(path)
  if (endpoint?.transport !== 'streamable') return undefined
  if (endpoint.onlySearch === true) return searchPath
  if (endpoint.toolset !== undefined) return `/toolset/${endpoint.toolset}/mcp`
  return endpoint.names === undefined ? '/mcp' : `/mcp/${endpoint.names.join(',')}`
}

/** A list with commas; a name may hold one `/`. */
function readNames(text: string): readonly string[] | undefined {
  const names = listOf(decoded(text))
  const sane = names.length > 0 && names.every((name) => /^[^/]+(?:\/[^/]+)?$/.test(name))
  return sane ? names : undefined
}

export function listOf(text: string): readonly string[] {
  const names = text.split(',').map((name) => name.trim())
  return [...new Set(names.filter((name) => name !== ''))]
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    // Not percent-encoded: then it is taken as it stands, and names no server.
    return text
  }
}
