import type { ApiTool } from './operations.ts'
import { Unresolvable } from './references.ts'

/** Where the operations of a document are. */
export interface ApiBase {
  readonly url: URL
  /** The operator, or whoever stored the server, named this origin; otherwise the document alone did. */
  readonly isNamed: boolean
}

export interface BaseSource {
  /** The configured address of the API. */
  readonly configured: string | undefined
  /** Where the document was fetched from; absent for a file. */
  readonly documentUrl: string | undefined
  /** What the document says. */
  readonly server: string | undefined
}

/**
 * The configured address, else the document's own. A document that was fetched may name its own origin and no other:
 * whoever can change it must not learn the credential that is sent there. Throws `Unresolvable`.
 */
export function baseOf({ configured, documentUrl, server }: BaseSource): ApiBase {
  if (configured !== undefined) return { url: new URL(configured), isNamed: true }
  const url = URL.parse(server ?? '/', documentUrl)
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new Unresolvable('names no server with a whole http or https address; set "url"')
  }
  if (documentUrl === undefined) return { url, isNamed: false }
  if (url.origin !== new URL(documentUrl).origin) {
    throw new Unresolvable('names a server at another origin than its own; set "url" to the address of the API')
  }
  return { url, isNamed: true }
}

/** Of an operation with a server of its own: that, as long as it is at the same origin. */
export function baseOfTool({ url }: ApiBase, { server }: Pick<ApiTool, 'server'>): URL | undefined {
  if (server === undefined) return url
  const own = URL.parse(server, url.href)
  return own?.origin === url.origin ? own : undefined
}
