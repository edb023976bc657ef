import { isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import { wordsOf } from './words.ts'

/** What a tool is found by: the words of its name, title, description and arguments, each as one string of words. */
export interface ToolText {
  readonly name: string
  readonly title: string
  readonly description: string
  readonly parameters: string
}

export const textFields = ['name', 'title', 'description', 'parameters'] as const satisfies readonly (keyof ToolText)[]

/** Characters of each field that are read: a description of megabytes is not found better for it. */
const maxFieldLength = 4_000
/** Arguments that are read. */
const maxParameters = 200

/** By definition: those of a list stay the same objects for as long as the list does. */
const known = new WeakMap<JsonObject, Omit<ToolText, 'name'>>()

/** `name` is the one it is shown under. */
export function toolTextOf(name: string, definition: JsonObject): ToolText {
  const rest = known.get(definition) ?? readDefinition(definition)
  known.set(definition, rest)
  return { name: joined(name), ...rest }
}

function readDefinition({ title, description, inputSchema, annotations }: JsonObject): Omit<ToolText, 'name'> {
  const shownTitle = title ?? (isJsonObject(annotations) ? annotations['title'] : undefined)
  return {
    title: joined(shownTitle),
    description: joined(description),
    parameters: joined(parametersOf(inputSchema).join(' ')),
  }
}

function joined(text: JsonValue | undefined): string {
  return typeof text === 'string' ? wordsOf(text.slice(0, maxFieldLength)).join(' ') : ''
}

function parametersOf(inputSchema: JsonValue | undefined): readonly string[] {
  const properties = isJsonObject(inputSchema) ? inputSchema['properties'] : undefined
  return isJsonObject(properties) ? Object.keys(properties).slice(0, maxParameters) : []
}
