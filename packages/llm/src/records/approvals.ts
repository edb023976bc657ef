import { isJsonObject, type Logger } from '@toolgate/core'
import { textOf } from '../json-fields.ts'
import type { RecordStore } from './record-store.ts'

/**
 * Approvals of calls that have been used. Each holds once, on every replica: a conversation is sent again with every request,
 * and what it says of an earlier call must not run that call another time. What the call came to is kept: a client that never
 * heard of it, because its model failed afterwards, sends its request again.
 */
export interface Approvals {
  /**
   * Those that were not used before. All of them are used by this, or none: rejects with `STORE_UNAVAILABLE` where nobody can
   * say, then nothing runs.
   */
  use(owner: string, requestIds: readonly string[]): Promise<ReadonlySet<string>>
  /** An outage of the store fails nothing: the answer goes on. */
  keep(owner: string, requestId: string, outcome: KeptOutcome): Promise<void>
  /** What used ones came to, by their ids. Rejects with `STORE_UNAVAILABLE`. */
  find(owner: string, requestIds: readonly string[]): Promise<ReadonlyMap<string, KeptOutcome>>
}

export interface KeptOutcome {
  /** What was called, and with what: whoever asks for it says so too. */
  readonly call: string
  readonly text: string
  readonly failed: boolean
  readonly fullResultId?: string | undefined
}

/** Longer than a response can be continued by its id. */
const lifetimeMs = 30 * 24 * 3_600_000
/** As that of a turn: long enough for a client to come again. */
const outcomeLifetimeMs = 24 * 3_600_000

export function createApprovals({ store, log }: { store: RecordStore; log: Logger }): Approvals {
  return {
    use: (owner, names) => store.claim({ owner, kind: 'approval', names, lifetimeMs }),
    async keep(owner, requestId, outcome) {
      try {
        const value = { ...outcome }
        await store.save({ owner, kind: 'outcome', names: [requestId], value, lifetimeMs: outcomeLifetimeMs })
      } catch (err) {
        log.warn(
          { err },
          'what an approved call came to could not be stored: a request that is repeated goes without it',
        )
      }
    },
    async find(owner, names) {
      if (names.length === 0) return new Map()
      const found = await store.find({ owner, kind: 'outcome', names })
      return new Map(found.flatMap((record) => record.names.map((name) => [name, readOutcome(record.value)] as const)))
    },
  }
}

function readOutcome(value: unknown): KeptOutcome {
  const { call, text, failed, fullResultId } = isJsonObject(value) ? value : {}
  const full = typeof fullResultId === 'string' ? { fullResultId } : {}
  return { call: textOf(call), text: textOf(text), failed: failed === true, ...full }
}
