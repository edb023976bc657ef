import { isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import { ArgumentsRefused } from './arguments-refused.ts'
import { resolved } from './references.ts'
import { plainText } from './styles.ts'

type BodyKind = 'json' | 'form' | 'multipart' | 'text' | 'bytes'

/** What an operation takes as its body. */
export interface BodyRule {
  readonly mediaType: string
  readonly kind: BodyKind
  readonly required: boolean
  readonly schema: JsonValue | undefined
  readonly description: string | undefined
  /** Of a multipart body: the fields whose text is base64 of what is sent. */
  readonly files: ReadonlySet<string>
}

export interface EncodedBody {
  readonly contentType: string
  readonly bytes: string | Uint8Array
}

/** The kinds of bodies, the one that loses least first. */
const preference: readonly BodyKind[] = ['json', 'form', 'multipart', 'text', 'bytes']

/** `undefined` where the operation takes none. Throws `Unresolvable`. */
export function readBody(document: JsonObject, requestBody: unknown): BodyRule | undefined {
  const body = resolved(document, requestBody)
  const content = body?.['content']
  if (body === undefined || !isJsonObject(content)) return undefined
  const offers = Object.entries(content).map(([mediaType, media]) => ({ mediaType, media, kind: kindOf(mediaType) }))
  const [chosen] = offers.toSorted((one, other) => preference.indexOf(one.kind) - preference.indexOf(other.kind))
  if (chosen === undefined) return undefined
  const { kind, media } = chosen
  const schema = resolved(document, media)?.['schema']
  return {
    mediaType: chosen.mediaType.includes('*') ? defaultTypes[kind] : chosen.mediaType,
    kind,
    required: body['required'] === true,
    schema: kind === 'bytes' ? { type: 'string', contentEncoding: 'base64' } : schema,
    description: typeof body['description'] === 'string' ? body['description'] : undefined,
    files: kind === 'multipart' ? filesOf(document, schema) : new Set(),
  }
}

/** The body's schema as a model must see it: of a file it gives the base64. */
export function describeFiles(schema: JsonValue, files: ReadonlySet<string>): JsonValue {
  const properties = isJsonObject(schema) ? schema['properties'] : undefined
  if (!isJsonObject(schema) || !isJsonObject(properties) || files.size === 0) return schema
  const described = Object.entries(properties).map(([name, property]) =>
    files.has(name) && isJsonObject(property)
      ? [name, { ...property, type: 'string', contentEncoding: 'base64' }]
      : [name, property],
  )
  return { ...schema, properties: Object.fromEntries(described) }
}

/** Throws `ArgumentsRefused`. */
export async function encodeBody(rule: BodyRule, value: JsonValue): Promise<EncodedBody> {
  const contentType = rule.mediaType
  if (rule.kind === 'json') return { contentType, bytes: JSON.stringify(value) }
  if (rule.kind === 'text') return { contentType, bytes: plainText(value) }
  if (rule.kind === 'bytes') return { contentType, bytes: decoded('body', value) }
  if (!isJsonObject(value)) throw new ArgumentsRefused('the body must be an object')
  if (rule.kind === 'form') return { contentType, bytes: formOf(value) }
  return multipartOf(value, rule.files)
}

const defaultTypes: Readonly<Record<BodyKind, string>> = {
  json: 'application/json',
  form: 'application/x-www-form-urlencoded',
  multipart: 'multipart/form-data',
  text: 'text/plain',
  bytes: 'application/octet-stream',
}

function kindOf(mediaType: string): BodyKind {
  const [type = ''] = mediaType.toLowerCase().split(';')
  if (/^(?:application\/(?:[\w.-]+\+)?json|\*\/\*|application\/\*)$/.test(type.trim())) return 'json'
  if (type === 'application/x-www-form-urlencoded') return 'form'
  if (type === 'multipart/form-data') return 'multipart'
  return /^text\/|[/+](?:xml|yaml|x-yaml|javascript|graphql|x-ndjson|jsonl)$/.test(type) ? 'text' : 'bytes'
}

function filesOf(document: JsonObject, schema: unknown): ReadonlySet<string> {
  const properties = resolved(document, schema)?.['properties']
  if (!isJsonObject(properties)) return new Set()
  const files = Object.entries(properties).filter(([, property]) => isFile(resolved(document, property)))
  return new Set(files.map(([name]) => name))
}

/** `format: binary` of 3.0 and `type: file` of 2.0 arrive as this. */
function isFile(schema: JsonObject | undefined): boolean {
  return schema?.['contentMediaType'] === 'application/octet-stream' || schema?.['format'] === 'binary'
}

function formOf(value: JsonObject): string {
  const form = new URLSearchParams()
  for (const [name, field] of Object.entries(value)) {
    for (const item of Array.isArray(field) ? field : [field]) form.append(name, plainText(item))
  }
  return form.toString()
}

async function multipartOf(value: JsonObject, files: ReadonlySet<string>): Promise<EncodedBody> {
  const form = new FormData()
  for (const [name, field] of Object.entries(value)) {
    if (files.has(name)) form.append(name, new Blob([decoded(name, field)]), name)
    else for (const item of Array.isArray(field) ? field : [field]) form.append(name, plainText(item))
  }
  const response = new Response(form)
  const contentType = response.headers.get('content-type') ?? ''
  return { contentType, bytes: new Uint8Array(await response.arrayBuffer()) }
}

function decoded(name: string, value: JsonValue): Uint8Array<ArrayBuffer> {
  if (typeof value === 'string' && /^[A-Za-z0-9+/_-]*={0,2}$/.test(value))
    return new Uint8Array(Buffer.from(value, 'base64'))
  throw new ArgumentsRefused(`"${name}" must be the base64 of a file`)
}
