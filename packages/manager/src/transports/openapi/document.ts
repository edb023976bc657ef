import { isJsonObject, type JsonObject } from '@toolgate/core'
import { upgrade } from '@scalar/openapi-upgrader'
import { parseDocument } from 'yaml'
import { isNestedTooDeep } from '../../upstream/nesting.ts'
import { readOperations, TooManyOperations, type ApiOperations } from './operations.ts'

/** Characters of a document in YAML: reading it takes a hundred times as long as JSON and holds up everything else. */
const maxYamlLength = 2 * 1024 * 1024

/** Expansions of aliases: a few lines of them can stand for gigabytes. */
const maxAliases = 100

/** The document is none that can be used. The message completes "it …" and quotes nothing of it. */
export class BrokenDocument extends Error {
  override readonly name = 'BrokenDocument'
}

/** An API as its document describes it. */
export interface ApiDocument extends ApiOperations {
  readonly title: string
  readonly version: string
  /** The first server of the document, with its variables at their defaults. */
  readonly server: string | undefined
}

/** Reads OpenAPI 3.0, 3.1 and 2.0, in JSON or YAML. Throws {@link BrokenDocument}. */
export function readApiDocument(text: string): ApiDocument {
  const source = parsed(text)
  if (!isJsonObject(source)) throw new BrokenDocument('is no object')
  if (isNestedTooDeep(source)) throw new BrokenDocument('is nested too deep')
  const { openapi, swagger } = source
  // YAML without quotes makes numbers of both.
  const isKnown = /^3(?:\.[0-2])?(?:\.|$)/.test(asText(openapi)) || /^2(?:\.0)?$/.test(asText(swagger))
  if (!isKnown) throw new BrokenDocument('says neither "openapi: 3.x" nor "swagger: 2.0"')
  const document = upgraded({
    ...source,
    ...(swagger === undefined ? { openapi: asText(openapi) } : { swagger: '2.0' }),
  })
  const info = isJsonObject(document['info']) ? document['info'] : {}
  try {
    return {
      title: typeof info['title'] === 'string' ? info['title'] : 'OpenAPI',
      version: typeof info['version'] === 'string' ? info['version'] : '0',
      server: firstServer(document),
      ...readOperations(document),
    }
  } catch (error) {
    if (error instanceof TooManyOperations) throw new BrokenDocument(error.message, { cause: error })
    throw error
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Not JSON: YAML, which is the other way a document is written.
  }
  if (text.length > maxYamlLength) throw new BrokenDocument(`is YAML of more than ${maxYamlLength} characters`)
  try {
    const document = parseDocument(text, { schema: 'core', uniqueKeys: true, logLevel: 'silent' })
    if (document.errors.length > 0) throw new BrokenDocument('is neither JSON nor YAML', { cause: document.errors[0] })
    const value: unknown = document.toJS({ maxAliasCount: maxAliases })
    // Dates, maps and what leads back to itself are no JSON.
    return JSON.parse(JSON.stringify(value))
  } catch (error) {
    if (error instanceof BrokenDocument) throw error
    throw new BrokenDocument('is neither JSON nor YAML', { cause: error })
  }
}

/** To 3.1, whose schemas are JSON Schema. The converter was written for documents that are valid. */
function upgraded(source: JsonObject): JsonObject {
  try {
    const document: unknown = upgrade(source, '3.1')
    if (isJsonObject(document)) return document
    throw new BrokenDocument('cannot be brought to OpenAPI 3.1')
  } catch (error) {
    throw new BrokenDocument('cannot be brought to OpenAPI 3.1', { cause: error })
  }
}

function firstServer({ servers }: JsonObject): string | undefined {
  const [server] = Array.isArray(servers) ? servers : []
  if (!isJsonObject(server) || typeof server['url'] !== 'string') return undefined
  const { url, variables } = server
  return url.replaceAll(/\{([^{}]+)\}/g, (template, name: string) => {
    const variable = isJsonObject(variables) && Object.hasOwn(variables, name) ? variables[name] : undefined
    const { default: fallback } = isJsonObject(variable) ? variable : {}
    return typeof fallback === 'string' ? fallback : template
  })
}

function asText(version: unknown): string {
  return typeof version === 'string' || typeof version === 'number' ? String(version) : ''
}
