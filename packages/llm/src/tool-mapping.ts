import { createHash } from 'node:crypto'
import { isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import { listOf, textOf } from './json-fields.ts'

/**
 * MCP's shapes as chat functions, and results as text. Pure. Schemas are changed only where every provider would refuse
 * them; what a single provider dislikes is left to its schema profile (`schemas/profiles.ts`).
 */

/** What every provider accepts as a function name (OpenAI and Anthropic: letters, digits, `_`, `-`, at most 64; Gemini: no digit in front). */
const acceptedName = /^[A-Za-z_][A-Za-z0-9_-]{0,63}$/
const maxNameLength = 64
const shortDigest = 8
const longDigest = 16

/**
 * Function names for public tool names. An acceptable name stays as it is, whatever its neighbours; any other has its
 * characters replaced, is cut and ends in a digest of the public name, so it is the same in every request.
 */
export function toFunctionNames(publicNames: Iterable<string>): ReadonlyMap<string, string> {
  const distinct = [...new Set(publicNames)]
  const names = new Map<string, string>()
  const taken = new Set<string>()
  const assign = (publicName: string, functionName: string) => {
    names.set(publicName, functionName)
    taken.add(functionName)
  }
  for (const name of distinct) if (acceptedName.test(name)) assign(name, name)
  for (const name of distinct) {
    if (names.has(name)) continue
    const short = withDigest(name, shortDigest)
    assign(name, taken.has(short) ? withDigest(name, longDigest) : short)
  }
  return names
}

function withDigest(name: string, digestLength: number): string {
  const digest = createHash('sha256').update(name).digest('hex').slice(0, digestLength)
  const accepted = name.replaceAll(/[^A-Za-z0-9_-]/g, '_').replace(/^(?=[0-9-])/, '_')
  const readable = accepted.slice(0, maxNameLength - digestLength - 1)
  return `${readable}_${digest}`
}

export interface FunctionSource {
  readonly functionName: string
  readonly description?: string | undefined
  readonly inputSchema: JsonObject
}

/** A function tool in OpenAI's chat dialect. */
export function toFunctionTool({ functionName, description, inputSchema }: FunctionSource): JsonObject {
  return {
    type: 'function',
    function: {
      name: functionName,
      ...(description !== undefined && { description }),
      parameters: toParameters(inputSchema),
    },
  }
}

/** Providers refuse parameters that are not an object with `properties`; MCP allows both to be left out. */
function toParameters(inputSchema: JsonObject): JsonObject {
  const { properties } = inputSchema
  return { ...inputSchema, type: 'object', properties: isJsonObject(properties) ? properties : {} }
}

const nothingToShow = 'Tool executed successfully'

/** A `CallToolResult` (or anything an upstream sent in its place) as the text the model reads. */
export function toResultText({ content, structuredContent }: JsonObject): string {
  const parts = listOf(content)
    .map(toPartText)
    .filter((text) => text !== '')
  if (parts.length > 0) return parts.join(' ')
  if (isJsonObject(structuredContent)) return JSON.stringify(structuredContent)
  return nothingToShow
}

function toPartText(part: JsonValue): string {
  if (!isJsonObject(part)) return ''
  const { type, text, mimeType, resource, uri } = part
  if (type === 'text') return textOf(text)
  if (type === 'image') return placeholder('Generated Image', mimeType)
  if (type === 'audio') return placeholder('Generated Audio', mimeType)
  if (type === 'resource_link') return placeholder('Resource Link', uri)
  if (type !== 'resource' || !isJsonObject(resource)) return placeholder('Unsupported Content', type)
  return typeof resource['text'] === 'string' ? resource['text'] : placeholder('Embedded Resource', resource['uri'])
}

function placeholder(label: string, detail: JsonValue | undefined): string {
  return typeof detail === 'string' ? `[${label}: ${detail}]` : `[${label}]`
}
