import { createHash } from 'node:crypto'
import { createSingleFlight, type Logger, type Outbound } from '@toolgate/core'
import type { FailurePlace } from '../../upstream/failure.ts'
import { type ApiBase, baseOf, baseOfTool } from './api-base.ts'
import { type ApiDocument, BrokenDocument, readApiDocument } from './document.ts'
import { type ApiTool, maxLeftOut } from './operations.ts'
import { documentUrlOf, readSource, unusable } from './read-source.ts'
import { Unresolvable } from './references.ts'

/** An API that can be called. */
export interface Api extends Omit<ApiDocument, 'tools'> {
  readonly base: ApiBase
  readonly tools: ReadonlyMap<string, CallableTool>
}

export interface CallableTool extends ApiTool {
  /** What its path is joined to. */
  readonly base: URL
}

export interface ApiRequestContext {
  readonly place: FailurePlace
  readonly signal: AbortSignal
}

/** The document of one server. Concurrent readers share one reading. Both reject with a `GatewayError` that names the server. */
export interface ApiSource {
  /** As it was read last; read where it never was. */
  current(context: ApiRequestContext): Promise<Api>
  /** Read again. What was read before stays in use where that fails. */
  refresh(context: ApiRequestContext): Promise<Api>
  /** As it was read last, without reading. */
  readonly known: Api | undefined
}

export interface ApiSourceOptions {
  readonly specPath: string
  readonly url: string | undefined
  readonly outbound: Outbound
  readonly log: Logger
}

export function createApiSource({ specPath, url, outbound, log }: ApiSourceOptions): ApiSource {
  const flights = createSingleFlight<Api>()
  let last: { readonly api: Api; readonly digest: string } | undefined

  const read = async ({ place, signal }: ApiRequestContext): Promise<Api> => {
    const text = await readSource({ specPath, outbound, place, signal })
    const digest = createHash('sha256').update(text).digest('base64')
    const isSame = last?.digest === digest
    const api = isSame && last !== undefined ? last.api : understood(text, place)
    if (!isSame && api.leftOut.length > 0) {
      log.warn({ server: place.server, operations: api.leftOut }, 'operations of an OpenAPI document are left out')
    }
    last = { api, digest }
    return api
  }

  const understood = (text: string, place: FailurePlace): Api => {
    try {
      const document = readApiDocument(text)
      const base = baseOf({ configured: url, documentUrl: documentUrlOf(specPath), server: document.server })
      return withBases(document, base)
    } catch (error) {
      if (error instanceof BrokenDocument || error instanceof Unresolvable) throw unusable(place, error.message, error)
      throw error
    }
  }

  const refresh: ApiSource['refresh'] = (context) =>
    flights('', context.signal, (signal) => read({ ...context, signal }))

  return {
    current: async (context) => last?.api ?? refresh(context),
    refresh,
    get known() {
      return last?.api
    },
  }
}

/** An operation that is said to live at another origin must not get the credential, and so is no tool. */
function withBases(document: ApiDocument, base: ApiBase): Api {
  const tools = new Map<string, CallableTool>()
  const leftOut = [...document.leftOut]
  for (const [name, tool] of document.tools) {
    const own = baseOfTool(base, tool)
    if (own === undefined) leftOut.push(`${tool.method} ${tool.path} has a server of its own at another origin`)
    else tools.set(name, { ...tool, base: own })
  }
  return { ...document, base, tools, leftOut: leftOut.slice(0, maxLeftOut) }
}
