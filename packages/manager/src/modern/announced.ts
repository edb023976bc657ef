import { isJsonObject, type JsonObject } from '@toolgate/core'
import type { Handshake } from '../upstream/connection.ts'

/** What to ask for with `subscriptions/listen`; undefined where the server announces nothing. */
export function announced({ capabilities }: Pick<Handshake, 'capabilities'>): JsonObject | undefined {
  const filter = {
    ...(announces(capabilities['tools']) && { toolsListChanged: true }),
    ...(announces(capabilities['prompts']) && { promptsListChanged: true }),
    ...(announces(capabilities['resources']) && { resourcesListChanged: true }),
  }
  return Object.keys(filter).length === 0 ? undefined : filter
}

/** Whether a capability of a server says that it tells of lists that change. */
export function announces(capability: JsonObject[string] | undefined): boolean {
  return isJsonObject(capability) && capability['listChanged'] === true
}
