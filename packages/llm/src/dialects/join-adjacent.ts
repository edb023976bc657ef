import { isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'

/**
 * Adjacent items that belong together, joined into one with the fields of all of them; others as they are. In time that grows with the
 * items alone: a client chooses how many there are.
 */
export function joinAdjacent(
  items: readonly JsonValue[],
  belongs: (item: JsonObject) => boolean,
  toFields: (run: readonly JsonObject[]) => JsonObject,
): JsonValue[] {
  const runs: JsonValue[][] = []
  let joins = false
  for (const item of items) {
    const belonging = isJsonObject(item) && belongs(item)
    if (joins && belonging) runs.at(-1)?.push(item)
    else runs.push([item])
    joins = belonging
  }
  return runs.flatMap((run) => {
    if (run.length === 1) return run
    const joined = run.filter(isJsonObject)
    return [{ ...joined.reduce<JsonObject>((all, item) => Object.assign(all, item), {}), ...toFields(joined) }]
  })
}
