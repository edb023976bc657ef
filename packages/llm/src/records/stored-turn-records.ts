import { isJsonObject, type JsonObject, type Logger } from '@toolgate/core'
import type { RecordStore } from './record-store.ts'
import type { TurnRecords } from './turn-records.ts'

/** Long enough for a person to be asked. */
const lifetimeMs = 24 * 3_600_000

/** Calls that were handed out with an id of ours; only they have a record. */
const ours = /^[a-z]+_[0-9a-f]{32}$/
/** Calls of one conversation that are looked for; the latest ones. */
const maxSought = 500

export interface StoredTurnRecordsOptions {
  /** Those of this process: what continues here is found without a query. */
  readonly memory: TurnRecords
  readonly store: RecordStore
  readonly log: Logger
}

/**
 * Turn records that every replica finds. An outage of the store fails no request: a turn continues where it began, and
 * elsewhere without what the gateway did, which is logged.
 */
export function createStoredTurnRecords({ memory, store, log }: StoredTurnRecordsOptions): TurnRecords {
  return {
    async save(record) {
      await memory.save(record)
      const { owner, callIds: names, appended: value } = record
      try {
        await store.save({ owner, kind: 'turn', names, value, lifetimeMs })
      } catch (err) {
        // The answer is there and goes to the client; this process still knows the turn.
        log.warn({ err }, 'a turn could not be stored: other replicas cannot continue it')
      }
    },
    async find(owner, callIds) {
      const known = await memory.find(owner, callIds)
      const names = callIds.filter((callId) => !known.has(callId) && ours.test(callId)).slice(-maxSought)
      if (names.length === 0) return known
      try {
        const found = await store.find({ owner, kind: 'turn', names })
        // One list for all calls of a record: by it a dialect knows that it has put that record back.
        const elsewhere = found.flatMap(({ names: calls, value }) => {
          const appended = appendedOf(value)
          return calls.map((callId) => [callId, appended] as const)
        })
        return new Map([...elsewhere, ...known])
      } catch (err) {
        // Better a model that asks again than no answer.
        log.warn({ err }, 'stored turns cannot be read')
        return known
      }
    },
  }
}

function appendedOf(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : []
}
