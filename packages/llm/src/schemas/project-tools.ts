import { isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import { listOf, textOf } from '../json-fields.ts'
import type { WireDialect } from '../wire.ts'
import type { SchemaProfile, StrictProfile } from './profiles.ts'

/** Where the tools of a request are, in each dialect, and their schemas in the words of whoever is asked. */
export interface Projection {
  readonly dialect: WireDialect
  readonly profile: SchemaProfile
  /** For functions with `strict: true`; one that cannot be strict is sent without. Absent: they are as any other. */
  readonly strict?: StrictProfile | undefined
  /** Undefined: every tool. A client's own tools go as they are to who speaks its dialect. */
  readonly only?: ReadonlySet<string> | undefined
}

/** The request with the schemas of its tools projected; order and everything else stay. */
export function projectTools(body: JsonObject, { dialect, only, ...profiles }: Projection): JsonObject {
  if (!Array.isArray(body['tools']) || only?.size === 0) return body
  const project = (tool: JsonObject): JsonObject => {
    const isMeant = typeof tool['name'] === 'string' && (only === undefined || only.has(tool['name']))
    return isMeant ? projectSchema(tool, schemaFields[dialect], profiles) : tool
  }
  return { ...body, tools: body['tools'].map((tool) => mapDeclarations(tool, project)) }
}

/** Names of the tools as they stand in the request, from 0. */
export function toolNames({ tools }: JsonObject): readonly string[] {
  const names: string[] = []
  if (!Array.isArray(tools)) return names
  for (const tool of tools) {
    mapDeclarations(tool, (declared) => {
      names.push(textOf(declared['name']))
      return declared
    })
  }
  return names
}

const schemaFields = {
  chat: ['parameters'],
  responses: ['parameters'],
  messages: ['input_schema'],
  gemini: ['parametersJsonSchema', 'parameters'],
} as const satisfies Record<WireDialect, readonly string[]>

function projectSchema(
  tool: JsonObject,
  fields: readonly string[],
  { profile, strict }: Pick<Projection, 'profile' | 'strict'>,
): JsonObject {
  const field = fields.find((name) => isJsonObject(tool[name]))
  const schema = field === undefined ? undefined : tool[field]
  if (field === undefined || !isJsonObject(schema)) return tool
  if (tool['strict'] !== true || strict === undefined) return { ...tool, [field]: profile(schema) }
  const held = strict(schema)
  return { ...tool, [field]: held ?? profile(schema), strict: held !== undefined }
}

/** What functions a request in Gemini's dialect declares. */
export function geminiDeclarations({ tools }: JsonObject): readonly JsonObject[] {
  return listOf(tools)
    .filter(isJsonObject)
    .flatMap((tool) => listOf(declarationsOf(tool)).filter(isJsonObject))
}

function declarationsOf(tool: JsonObject): JsonValue | undefined {
  return tool['functionDeclarations'] ?? tool['function_declarations']
}

/** What has the name and the schema: the tool itself, its `function` in chat completions, several within one in Gemini's dialect. */
function mapDeclarations(tool: JsonValue, map: (declared: JsonObject) => JsonObject): JsonValue {
  if (!isJsonObject(tool)) return tool
  const declared = declarationsOf(tool)
  if (Array.isArray(declared)) {
    return { ...tool, functionDeclarations: declared.map((one) => (isJsonObject(one) ? map(one) : one)) }
  }
  return isJsonObject(tool['function']) ? { ...tool, function: map(tool['function']) } : map(tool)
}
