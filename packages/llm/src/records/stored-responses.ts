import { GatewayError, isJsonObject, type JsonObject, type JsonValue, type Logger } from '@toolgate/core'
import { listOf, textOf } from '../json-fields.ts'
import type { RecordStore } from './record-store.ts'

/**
 * Responses that the gateway made and no provider knows: they are continued by their id (`previous_response_id`), by the owner
 * that asked for them, on any replica.
 */
export interface StoredResponses {
  /** `request` is what the model was asked, with everything before it. An outage of the store fails nothing. */
  save(owner: string, request: JsonObject, response: JsonObject): Promise<void>
  find(owner: string, id: string): Promise<JsonObject | undefined>
  remove(owner: string, id: string): Promise<boolean>
  /**
   * The request with the conversation that it continues in front. Left as it is where it continues none of ours and
   * `elsewhere` a provider may know it; else rejects with `INVALID_REQUEST`, as OpenAI does.
   */
  continued(owner: string, body: JsonObject, elsewhere: boolean): Promise<JsonObject>
}

const lifetimeMs = 7 * 24 * 3_600_000
const ourId = /^resp_[0-9a-f]{32}$/

export function createStoredResponses({ store, log }: { store: RecordStore; log: Logger }): StoredResponses {
  const load = async (owner: string, id: string): Promise<JsonObject | undefined> => {
    if (!ourId.test(id)) return undefined
    const [found] = await store.find({ owner, kind: 'response', names: [id] })
    return isJsonObject(found?.value) ? found.value : undefined
  }
  return {
    async save(owner, { input }, response) {
      const value = { input: itemsOf(input), response }
      try {
        await store.save({ owner, kind: 'response', names: [textOf(response['id'])], value, lifetimeMs })
      } catch (err) {
        // The answer is there: who continues it is told that it is not known.
        log.warn({ err }, 'a response could not be stored: it cannot be continued')
      }
    },
    async find(owner, id) {
      const stored = await load(owner, id)
      return isJsonObject(stored?.['response']) ? stored['response'] : undefined
    },
    remove: (owner, id) => store.remove({ owner, kind: 'response', names: [id] }),
    async continued(owner, body, elsewhere) {
      const { previous_response_id: previous, ...rest } = body
      if (typeof previous !== 'string') return body
      const stored = await load(owner, previous)
      if (stored === undefined) {
        if (elsewhere && !ourId.test(previous)) return body
        throw unknownResponse(previous)
      }
      const { input, response } = stored
      const output = isJsonObject(response) ? listOf(response['output']) : []
      return { ...rest, input: [...listOf(input), ...output, ...itemsOf(body['input'])] }
    },
  }
}

function itemsOf(input: JsonValue | undefined): JsonValue[] {
  return typeof input === 'string' ? [{ type: 'message', role: 'user', content: input }] : listOf(input)
}

function unknownResponse(id: string): GatewayError {
  return new GatewayError('INVALID_REQUEST', `Previous response with id '${id}' not found.`, {
    details: { field: 'previous_response_id' },
  })
}
