import type { JsonObject } from '@toolgate/core'
import { toCurrentDraft } from './current-draft.ts'
import { toGeminiSubset } from './gemini-subset.ts'
import { toObjectRoot } from './object-root.ts'
import { hasSoundReferences, inlineReferences } from './references.ts'
import { isStrict } from './strict.ts'

/** The schema of a tool's arguments as one kind of provider takes it. Pure, and the same when it is done again. */
export type SchemaProfile = (inputSchema: JsonObject) => JsonObject

/** OpenAI and Azure, Anthropic: they follow references to definitions, and refuse a request for one that leads nowhere. */
export const followsReferences: SchemaProfile = (schema) => {
  const current = toCurrentDraft(schema)
  return toObjectRoot(hasSoundReferences(current) ? current : inlineReferences(current))
}

/** OpenAI and whoever speaks its dialect, of functions with `strict: true`. Undefined where a schema cannot be held to strictly. */
export type StrictProfile = (inputSchema: JsonObject) => JsonObject | undefined

export const strictSchemas: StrictProfile = (schema) => {
  const followed = followsReferences(schema)
  return isStrict(followed) ? followed : undefined
}

/** Whoever else speaks OpenAI's dialect, and Cohere: many of them cannot follow references. */
export const plainSchemas: SchemaProfile = (schema) => toObjectRoot(inlineReferences(toCurrentDraft(schema)))

/** Gemini, on both of its platforms. */
export const geminiSchemas: SchemaProfile = (schema) => toGeminiSubset(plainSchemas(schema))

/** Bedrock: of its models some take nothing else at the top. */
export const bedrockSchemas: SchemaProfile = (schema) => {
  const { properties = {}, required } = plainSchemas(schema)
  return { type: 'object', properties, ...(required !== undefined && { required }) }
}
