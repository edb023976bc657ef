import { isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import { type BodyRule, describeFiles, readBody } from './body.ts'
import { isHeaderName, mayBeParameter } from './header-parameters.ts'
import { distinctArguments, type Parameter, readParameters } from './parameters.ts'
import { resolved, Unresolvable } from './references.ts'
import { SchemaWriter } from './schema-writer.ts'
import { createToolNames } from './tool-names.ts'

/** Operations of one document; a document with more is refused, because a list cut short would look complete. */
const maxOperations = 2_000

/** Operations left out whose reason is kept. */
export const maxLeftOut = 50

const methods = ['get', 'put', 'post', 'delete', 'patch', 'head'] as const

export type ApiMethod = 'GET' | 'PUT' | 'POST' | 'DELETE' | 'PATCH' | 'HEAD'

/** One operation as a tool. */
export interface ApiTool {
  /** As the server's list of tools holds it. */
  readonly definition: JsonObject
  readonly method: ApiMethod
  readonly path: string
  /** Of a server of the operation's own; absent where the document's stands. */
  readonly server: string | undefined
  readonly parameters: readonly Parameter[]
  readonly body: (BodyRule & { readonly argument: string }) | undefined
  readonly apiKey: ApiKeyPlace | undefined
}

/** Where the document says that an API key goes. */
export interface ApiKeyPlace {
  readonly in: 'header' | 'query' | 'cookie'
  readonly name: string
}

export interface ApiOperations {
  readonly tools: ReadonlyMap<string, ApiTool>
  /** Operations that cannot be offered, with the reason. */
  readonly leftOut: readonly string[]
}

/** The document holds more operations than can be offered. */
export class TooManyOperations extends Error {
  override readonly name = 'TooManyOperations'
  override readonly message = `holds more than ${maxOperations} operations`
}

/** Every operation of an OpenAPI 3.1 document. One that cannot be read is left out with its reason and hides no other. */
export function readOperations(document: JsonObject): ApiOperations {
  const tools = new Map<string, ApiTool>()
  const leftOut: string[] = []
  const nameOf = createToolNames()
  const paths = isJsonObject(document['paths']) ? Object.entries(document['paths']) : []
  for (const [path, node] of paths) {
    for (const method of methods) {
      try {
        const pathItem = resolved(document, node)
        const operation = resolved(document, pathItem?.[method])
        if (pathItem === undefined || operation === undefined) continue
        if (tools.size >= maxOperations) throw new TooManyOperations()
        const name = nameOf({ method, path, operationId: operation['operationId'] })
        tools.set(name, readTool({ document, name, method, path, pathItem, operation }))
      } catch (error) {
        if (!(error instanceof Unresolvable)) throw error
        // One operation that cannot be read must not hide the others.
        if (leftOut.length < maxLeftOut) leftOut.push(`${method.toUpperCase()} ${path} ${error.message}`)
      }
    }
  }
  return { tools, leftOut }
}

interface ToolSource {
  readonly document: JsonObject
  readonly name: string
  readonly method: (typeof methods)[number]
  readonly path: string
  readonly pathItem: JsonObject
  readonly operation: JsonObject
}

function readTool(source: ToolSource): ApiTool {
  const { document, name, method, path, pathItem, operation } = source
  if (!path.startsWith('/') || /[?#]/.test(path)) throw new Unresolvable('is no path')
  const parameters = readParameters(source)
  const taken = new Set(parameters.map(({ argument }) => argument))
  const rule = readBody(document, operation['requestBody'])
  const body = rule && { ...rule, argument: distinctArguments(taken)('body', 'request') }
  const title = textOf(operation['summary'])
  return {
    definition: {
      name,
      ...(title !== '' && { title }),
      description: describe(source),
      inputSchema: inputSchema(document, parameters, body),
      ...outputSchema(document, operation['responses']),
      annotations: { ...(title !== '' && { title }), ...hints[method] },
    },
    method: upperCase[method],
    path,
    server: ownServer(operation) ?? ownServer(pathItem),
    parameters,
    body,
    apiKey: apiKeyOf(document, operation),
  }
}

const upperCase = { get: 'GET', put: 'PUT', post: 'POST', delete: 'DELETE', patch: 'PATCH', head: 'HEAD' } as const

/** RFC 9110 §9.2, as far as MCP has words for it. */
const hints: Readonly<Record<(typeof methods)[number], JsonObject>> = {
  get: { readOnlyHint: true },
  head: { readOnlyHint: true },
  put: { readOnlyHint: false, idempotentHint: true },
  delete: { readOnlyHint: false, destructiveHint: true, idempotentHint: true },
  post: { readOnlyHint: false },
  patch: { readOnlyHint: false },
}

function describe({ method, path, operation }: ToolSource): string {
  const said = [textOf(operation['summary']), textOf(operation['description'])].filter((text) => text !== '')
  const lines = said.length === 0 ? [`${method.toUpperCase()} ${path}`] : [...new Set(said)]
  return [...(operation['deprecated'] === true ? ['Deprecated.'] : []), ...lines].join('\n\n')
}

function inputSchema(document: JsonObject, parameters: readonly Parameter[], body: ApiTool['body']): JsonObject {
  const writer = new SchemaWriter(document, 'readOnly')
  const properties: [string, JsonValue][] = parameters.map(({ argument, schema, description }) => [
    argument,
    described(writer.write(schema), description),
  ])
  if (body !== undefined) {
    const written = describeFiles(writer.write(body.schema), body.files)
    properties.push([body.argument, described(written, body.description)])
  }
  const required = [...parameters, ...(body === undefined ? [] : [body])].filter(({ required }) => required)
  return {
    type: 'object',
    properties: Object.fromEntries(properties),
    ...(required.length > 0 && { required: required.map(({ argument }) => argument) }),
    additionalProperties: false,
    ...writer.definitions(),
  }
}

function described(schema: JsonValue, description: string | undefined): JsonValue {
  return isJsonObject(schema) && description !== undefined ? { ...schema, description } : schema
}

/**
 * Only where every success has the one body of which the document speaks, and that is an object: clients refuse a result that
 * is not what its schema says (spec 2025-11-25, Output Schema).
 */
function outputSchema(document: JsonObject, responses: unknown): JsonObject {
  const successes = isJsonObject(responses) ? Object.keys(responses).filter((status) => status.startsWith('2')) : []
  const [status] = successes
  if (status === undefined || successes.length > 1 || !isJsonObject(responses)) return {}
  try {
    const content = resolved(document, responses[status])?.['content']
    const types = isJsonObject(content) ? Object.keys(content) : []
    const [type] = types
    if (type === undefined || types.length > 1 || !isJsonObject(content) || !/json/i.test(type)) return {}
    const writer = new SchemaWriter(document, 'writeOnly')
    const written = writer.write(resolved(document, content[type])?.['schema'])
    if (!isJsonObject(written) || written['type'] !== 'object') return {}
    const schema = { ...written, ...writer.definitions() }
    return writer.isCut ? {} : { outputSchema: schema }
  } catch (error) {
    if (!(error instanceof Unresolvable)) throw error
    // The tool can be used without it.
    return {}
  }
}

function ownServer({ servers }: JsonObject): string | undefined {
  const [server] = Array.isArray(servers) ? servers : []
  const url = isJsonObject(server) ? server['url'] : undefined
  return typeof url === 'string' ? url : undefined
}

/** The first API key that the operation, else the document, asks for, in a place where one may stand. */
function apiKeyOf(document: JsonObject, operation: JsonObject): ApiKeyPlace | undefined {
  const wanted = operation['security'] ?? document['security']
  const components = document['components']
  const schemes = isJsonObject(components) ? components['securitySchemes'] : undefined
  if (!Array.isArray(wanted) || !isJsonObject(schemes)) return undefined
  for (const name of wanted.flatMap((one) => (isJsonObject(one) ? Object.keys(one) : []))) {
    const scheme = Object.hasOwn(schemes, name) ? resolved(document, schemes[name]) : undefined
    const place = scheme === undefined ? undefined : apiKeyPlace(scheme)
    if (place !== undefined) return place
  }
  return undefined
}

function apiKeyPlace({ type, in: place, name }: JsonObject): ApiKeyPlace | undefined {
  if (type !== 'apiKey' || typeof name !== 'string' || name === '') return undefined
  if (place === 'query') return { in: place, name }
  const lower = name.toLowerCase()
  if (place === 'cookie') return isHeaderName(lower) ? { in: place, name } : undefined
  const isAllowed = lower === 'authorization' || lower === 'x-api-key' || mayBeParameter(name)
  return place === 'header' && isAllowed ? { in: place, name: lower } : undefined
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value.trim() : ''
}
