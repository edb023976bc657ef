import { mcpEndpointOf } from './mcp-endpoint.ts'
import { everything, issuerOfPath, oauthEndpointOf } from './oauth-endpoint.ts'

/** A document about signing in, wherever a client looks for it. */
export type MetadataPath =
  | { readonly document: 'oauth-protected-resource'; readonly resource: string }
  | { readonly document: 'oauth-authorization-server' | 'openid-configuration'; readonly issuer: string }

const documents = '(oauth-protected-resource|oauth-authorization-server|openid-configuration)'
/** RFC 8414 §3.1 and RFC 9728 §3.1: between origin and path. */
const inserted = new RegExp(`^/\\.well-known/${documents}(/.*)?$`)
/** As OpenID Connect Discovery has it. */
const appended = new RegExp(`^(/.*)?/\\.well-known/${documents}$`)

/** `rootPath` may stand in front of everything, and behind an inserted `.well-known`. */
export function metadataPathOf(path: string, rootPath: string): MetadataPath | undefined {
  const [, first, behind = ''] = inserted.exec(path) ?? []
  if (first !== undefined) return metadataPath(first, withoutRoot(behind, rootPath))
  const [, before = '', last] = appended.exec(path) ?? []
  return last === undefined ? undefined : metadataPath(last, before)
}

function metadataPath(document: string, about: string): MetadataPath | undefined {
  const path = about.replace(/\/$/, '')
  if (document === 'oauth-protected-resource') {
    if (path === '') return { document, resource: everything }
    return mcpEndpointOf(path) === undefined ? undefined : { document, resource: path }
  }
  if (document !== 'oauth-authorization-server' && document !== 'openid-configuration') return undefined
  // LiteLLM's clients ask with the path of the MCP endpoint as well.
  if (mcpEndpointOf(path) !== undefined) return { document, issuer: issuerOfPath(path) }
  return oauthEndpointOf(`${path}/authorize`) === undefined ? undefined : { document, issuer: path }
}

function withoutRoot(path: string, rootPath: string): string {
  if (rootPath === '' || !(path === rootPath || path.startsWith(`${rootPath}/`))) return path
  return path.slice(rootPath.length)
}
