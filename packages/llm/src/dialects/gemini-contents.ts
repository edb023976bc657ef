import { isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import { listOf } from '../json-fields.ts'
import { joinAdjacent } from './join-adjacent.ts'

/** Of a request: Google takes one content for a list of one. */
export function contentsOf({ contents }: JsonObject): JsonValue[] {
  return isJsonObject(contents) ? [contents] : [...listOf(contents)]
}

/**
 * A conversation with one content for each turn of the model's: Google's own chats keep every piece of a streamed answer as a content
 * of its own. The empty texts of such pieces, with which a stream ends or shows that it lives, are no part of what was said.
 */
export function wholeTurns(contents: readonly JsonValue[]): JsonValue[] {
  return joinAdjacent(contents, isOfModel, (turn) => {
    const parts = partsOf(turn)
    const said = parts.filter((part) => !isEmptyText(part))
    return { parts: said.length > 0 ? said : parts.slice(0, 1) }
  })
}

/** Results that stand in adjacent contents, in one: all calls of a turn must be answered in the content behind it. */
export function wholeAnswers(contents: readonly JsonValue[]): JsonValue[] {
  return joinAdjacent(contents, isAnswering, (answers) => ({ parts: partsOf(answers) }))
}

function partsOf(contents: readonly JsonObject[]): JsonValue[] {
  return contents.flatMap(({ parts }) => listOf(parts))
}

function isOfModel({ role }: JsonObject): boolean {
  return role === 'model'
}

function isAnswering(content: JsonObject): boolean {
  if (isOfModel(content)) return false
  return listOf(content['parts']).some((part) => isJsonObject(part) && isJsonObject(part['functionResponse']))
}

/** A text, or a thought, and nothing else: no signature, for instance. */
export function isPlainText(part: JsonObject): boolean {
  return typeof part['text'] === 'string' && Object.keys(part).every((field) => field === 'text' || field === 'thought')
}

export function isEmptyText(part: JsonValue): boolean {
  return isJsonObject(part) && part['text'] === '' && isPlainText(part)
}
