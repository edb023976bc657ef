import { isGoogleAction } from './door.ts'
import { canonicalMcpPath } from './mcp-endpoint.ts'

/**
 * Which routes a key may call: LiteLLM's `allowed_routes`, which `key_type` is short for. Pure. An entry is one of the
 * groups below, a path, or a path that ends in `*`; an entry that is none of these allows nothing.
 */

/** A path, one that ends in `*`, or what else tells which are meant. */
type Route = string | ((path: string) => boolean)

/** OpenAI's and Google's clients ask for different things below one path; who may only look must not get to ask a model. */
const oneModel: Route = (path) => path.startsWith('/v1/models/') && !isGoogleAction(path)

/** What lists and calls tools; trying servers out is management. */
const mcpInference = ['/mcp', '/mcp/*', '/toolset/*', '/sse', '/sse/*', '/mcp-rest/tools/*', '/v1/mcp/tools']
const mcpServers = [
  '/v1/mcp/server',
  '/v1/mcp/server/*',
  '/v1/mcp/tool-changes',
  '/v1/mcp/toolset',
  '/v1/mcp/toolset/*',
  '/v1/mcp/access_groups',
  '/v1/mcp/explain',
  '/v1/mcp/user-credentials',
  '/v1/mcp/user-env-vars/status',
  '/v1/mcp/oauth/grants',
  '/v1/mcp/oauth/grants/*',
  '/v1/mcp/network/*',
  '/mcp-rest/test/*',
]
const openAi: readonly Route[] = [
  '/v1/chat/completions',
  '/chat/completions',
  '/v1/responses',
  '/v1/responses/*',
  '/responses',
  '/v1/tool_results/*',
  '/v1/completions',
  '/completions',
  '/v1/embeddings',
  '/embeddings',
  '/v1/models',
  oneModel,
  '/models',
]

const google = ['/v1beta/models', '/v1beta/models/*', '/v1/models/*']
const anthropic = ['/v1/messages', '/v1/messages/count_tokens']

/** What a key may ask about itself and do for itself, whatever it is made for: a key that is due must reach its next one. */
const ownKey = ['/key/health', '/key/rotate']
const keyInfo = ['/key/info', '/v2/key/info', '/key/list', '/key/aliases', '/key/health']

/** The groups of LiteLLM that hold routes this gateway has. */
const groups: ReadonlyMap<string, readonly Route[]> = new Map<string, readonly Route[]>([
  ['openai_routes', openAi],
  ['anthropic_routes', anthropic],
  ['google_routes', google],
  ['mcp_routes', [...mcpInference, ...mcpServers]],
  ['llm_api_routes', [...openAi, ...anthropic, ...google, ...mcpInference, ...ownKey]],
  ['management_routes', ['/key/*', '/v2/key/info', ...mcpServers, '/config/reload', '/health/test_connection']],
  ['info_routes', [...keyInfo, '/v1/models', oneModel, '/models']],
])

/** No entry at all is every route. An MCP endpoint is one route, however it is spelt. */
export function allowsRoute(allowed: ReadonlySet<string>, path: string): boolean {
  if (allowed.size === 0) return true
  const paths = [path, canonicalMcpPath(path) ?? path]
  return [...allowed]
    .flatMap((entry) => groups.get(entry) ?? [entry])
    .some((route) => paths.some((spelling) => matches(route, spelling)))
}

function matches(route: Route, path: string): boolean {
  if (typeof route === 'function') return route(path)
  return route.endsWith('*') ? path.startsWith(route.slice(0, -1)) : route === path
}
