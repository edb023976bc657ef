import { createHash } from 'node:crypto'
import { isJsonObject, type JsonObject } from '@toolgate/core'
import { listOf, textOf } from '../json-fields.ts'

/** Names of arguments as every provider takes them (Anthropic's rule, the strictest), and back. */

const acceptedName = /^[A-Za-z0-9_.-]{1,64}$/
const maxNameLength = 64
const digestLength = 8

/** The name that the model uses → the tool's own. Holds those that differ. */
export type ArgumentNames = ReadonlyMap<string, string>

export interface NamedArguments {
  readonly inputSchema: JsonObject
  readonly argumentNames: ArgumentNames
}

/** Renames what a provider would refuse: `$filter`, `filter[status]`. A name depends on nothing but the argument's own. */
export function nameArguments(inputSchema: JsonObject): NamedArguments {
  const { properties, required } = inputSchema
  const own = isJsonObject(properties) ? Object.keys(properties) : []
  const refused = own.filter((name) => !acceptedName.test(name))
  if (refused.length === 0 || !isJsonObject(properties)) return { inputSchema, argumentNames: new Map() }
  const renamed = new Map(refused.map((name) => [name, acceptable(name)]))
  const toName = (name: string) => renamed.get(name) ?? name
  return {
    inputSchema: {
      ...inputSchema,
      properties: Object.fromEntries(Object.entries(properties).map(([name, schema]) => [toName(name), schema])),
      ...(required !== undefined && { required: listOf(required).map((name) => toName(textOf(name))) }),
    },
    argumentNames: new Map([...renamed].map(([name, given]) => [given, name])),
  }
}

/** What the model sent, under the tool's own names. */
export function toOwnArguments(input: JsonObject, names: ArgumentNames | undefined): JsonObject {
  if (names === undefined || names.size === 0) return input
  return Object.fromEntries(Object.entries(input).map(([name, value]) => [names.get(name) ?? name, value]))
}

function acceptable(name: string): string {
  const digest = createHash('sha256').update(name).digest('hex').slice(0, digestLength)
  const readable = name.replaceAll(/[^A-Za-z0-9_.-]/g, '_').slice(0, maxNameLength - digestLength - 1)
  return `${readable}_${digest}`
}
