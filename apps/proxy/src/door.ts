import { remembering } from '@toolgate/core'
import { mcpEndpointOf } from './mcp-endpoint.ts'
import { oauthEndpointOf } from './oauth-endpoint.ts'

/**
 * Which door a path belongs to: the label of logs, metrics and the ledger, and the dialect of its errors. One table,
 * longest prefix first; a path that is in none of them is answered in the dialect of the admin API.
 */

export type Door =
  | 'mcp'
  | 'mcp-rest'
  | 'mcp-admin'
  | 'chat'
  | 'messages'
  | 'gemini'
  | 'embeddings'
  | 'models'
  | 'admin'
  | 'health'
  | 'metadata'
  | 'oauth'

const doors: readonly (readonly [prefix: string, door: Door])[] = [
  ['/mcp-rest/', 'mcp-rest'],
  ['/mcp/tools/', 'mcp-rest'],
  ['/mcp/enabled', 'mcp-rest'],
  ['/v1/mcp/', 'mcp-admin'],
  ['/v1/chat/completions', 'chat'],
  ['/chat/completions', 'chat'],
  ['/v1/completions', 'chat'],
  ['/completions', 'chat'],
  ['/v1/messages', 'messages'],
  ['/v1beta/', 'gemini'],
  ['/v1/responses', 'chat'],
  ['/responses', 'chat'],
  ['/v1/tool_results/', 'chat'],
  ['/v1/embeddings', 'embeddings'],
  ['/embeddings', 'embeddings'],
  ['/v1/models', 'models'],
  ['/models', 'models'],
  ['/health', 'health'],
  ['/metrics', 'health'],
  ['/connect', 'oauth'],
  ['/callback', 'oauth'],
  ['/.well-known/', 'metadata'],
  ['/openapi.json', 'metadata'],
]

/** Google's first version, beside OpenAI's list of models. */
const googleAction = /^\/v1\/models\/.+:(?:generateContent|streamGenerateContent|countTokens)$/s
const escapedAscii = /%[0-7][0-9a-f]/gi

/** A path below `/v1/models/` on which Google's clients ask a model for something. Its route reads it decoded. */
export function isGoogleAction(path: string): boolean {
  return googleAction.test(path.replaceAll(escapedAscii, (escape) => decodeURIComponent(escape)))
}

/** Asked several times for each request, and nearly always about the same few paths. */
export const doorOf = remembering(findDoor, { most: 256, longest: 128 })

function findDoor(path: string): Door {
  // First: a server may be called as any other door's prefix begins.
  if (mcpEndpointOf(path) !== undefined) return 'mcp'
  // Asking about tokens is for those who have a key, in the dialect of everything that is.
  const action = oauthEndpointOf(path)?.action
  if (action !== undefined && action !== 'introspect') return 'oauth'
  if (isGoogleAction(path)) return 'gemini'
  return doors.find(([prefix]) => path.startsWith(prefix))?.[1] ?? 'admin'
}
