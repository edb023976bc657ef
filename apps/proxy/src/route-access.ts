/**
 * Which routes a key may call: LiteLLM's `allowed_routes`, which `key_type` is short for. Pure. An entry is one of the
 * groups below, a path, or a path that ends in `*`; an entry that is none of these allows nothing.
 */

/** `/mcp-rest` and its like: what lists and calls tools. */
const mcpInference = ['/mcp/tools/*', '/mcp-rest/*', '/v1/mcp/tools']
const mcpServers = ['/v1/mcp/server', '/v1/mcp/server/*']
const openAi = ['/v1/chat/completions', '/chat/completions', '/v1/models', '/models']

/** The groups of LiteLLM that hold routes this gateway has. */
const groups: ReadonlyMap<string, readonly string[]> = new Map([
  ['openai_routes', openAi],
  ['mcp_routes', [...mcpInference, ...mcpServers]],
  ['llm_api_routes', [...openAi, ...mcpInference]],
  ['management_routes', ['/key/*', ...mcpServers]],
  ['info_routes', ['/key/info', '/key/list', '/v1/models', '/models']],
])

/** No entry at all is every route. */
export function allowsRoute(allowed: ReadonlySet<string>, path: string): boolean {
  if (allowed.size === 0) return true
  return [...allowed].flatMap((entry) => groups.get(entry) ?? [entry]).some((pattern) => matches(pattern, path))
}

function matches(pattern: string, path: string): boolean {
  return pattern.endsWith('*') ? path.startsWith(pattern.slice(0, -1)) : pattern === path
}
