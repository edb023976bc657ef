import { GatewayError, isJsonObject, type JsonObject } from '@toolgate/core'
import type { Catalog } from '../catalog/catalog.ts'
import type { OwnRequest } from '../catalog/places.ts'
import type { ManagedServer } from '../registry/managed-server.ts'
import { type DeclaredHeaders, declaredHeaders, disagreement } from './parameter-headers.ts'

/** The value of a header of the request; undefined where it has none. */
export type HeaderOf = (name: string) => string | undefined

export interface ArgumentsInHeaders extends Omit<OwnRequest, 'kind'> {
  readonly server: ManagedServer
  /** By the server's own name. */
  readonly tool: string
  readonly params: JsonObject
  readonly headerOf: HeaderOf
}

/**
 * Arguments that a modern request repeats in its headers must be the same there (spec 2026-07-28, Streamable HTTP): whoever
 * stands between client and gateway went by the headers. Throws `HEADER_MISMATCH`. A tool that no list in memory has declares nothing.
 */
export async function requireSameArguments(
  catalog: Pick<Catalog, 'known'>,
  { server, tool, params, headerOf, caller, onlyServer }: ArgumentsInHeaders,
): Promise<void> {
  const listings = await catalog.known({ servers: [server], kind: 'tools', caller, onlyServer })
  const definition = listings.get(server.id)?.byName.get(tool)
  const declared = definition === undefined ? undefined : declaredIn(definition)
  if (declared === undefined || 'fault' in declared || declared.headers.length === 0) return
  const header = disagreement(declared.headers, params['arguments'], headerOf)
  if (header === undefined) return
  const message = `Bad Request: headers and body disagree: ${header} does not say what the arguments say.`
  throw new GatewayError('HEADER_MISMATCH', message, { details: { header } })
}

/** Looked for once in each definition; as long as it lives. */
const known = new WeakMap<JsonObject, DeclaredHeaders>()

function declaredIn(definition: JsonObject): DeclaredHeaders {
  const before = known.get(definition)
  if (before !== undefined) return before
  const { inputSchema } = definition
  const declared = declaredHeaders(isJsonObject(inputSchema) ? inputSchema : undefined)
  known.set(definition, declared)
  return declared
}
