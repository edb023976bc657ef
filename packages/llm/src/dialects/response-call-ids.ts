import { isJsonObject, type JsonObject, type JsonValue, type NewId } from '@toolgate/core'
import { listOf, textOf } from '../json-fields.ts'
import { calledName } from './responses-items.ts'

/** The calls of one answer, each under an id of its own: ours where its provider wrote none, or one that another call has. */
export interface CallIds {
  /** An item of a stream, by its place in the output: the same id in all of its events. */
  ofEvent(item: JsonObject, place: number): JsonObject
  /** The whole answer, with the ids of its stream. `places`: those of its items there, where some of them are missing here. */
  ofAnswer(response: JsonObject, places?: readonly number[]): JsonObject
}

export function uniqueCallIds(newId: NewId): CallIds {
  const given = new Map<number, string>()
  const told = naming(given, newId)
  return {
    ofEvent: told,
    ofAnswer(response, places = []) {
      const again = naming(given, newId)
      const output = listOf(response['output']).map((item: JsonValue, index) =>
        isJsonObject(item) ? again(item, places[index] ?? index) : item,
      )
      return Array.isArray(response['output']) ? { ...response, output } : response
    },
  }
}

/** `given`: ids of ours by place. */
function naming(given: Map<number, string>, newId: NewId) {
  const placeOf = new Map<string, number>()
  return (item: JsonObject, place: number): JsonObject => {
    if (calledName(item) === undefined) return item
    const sent = textOf(item['call_id'])
    const isUsable = !given.has(place) && sent !== '' && (placeOf.get(sent) ?? place) === place
    if (isUsable) {
      placeOf.set(sent, place)
      return item
    }
    const id = given.get(place) ?? newId('call')
    given.set(place, id)
    return { ...item, call_id: id }
  }
}
