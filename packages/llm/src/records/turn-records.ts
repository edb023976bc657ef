import type { Clock, JsonObject } from '@toolgate/core'
import { systemClock } from '@toolgate/core'

/**
 * What the loop appended before it handed calls back to a client: without it the client's next request would have lost
 * the gateway's results, and the model would run those tools again. Kept in memory, for a while, within bounds; a record
 * that is gone costs the model its memory of those calls, never the request.
 */
export interface TurnRecords {
  save(record: TurnRecord): Promise<void>
  /** What `owner` may continue, by call id, one and the same list for all calls of a record; another owner's record is not found. */
  find(owner: string, callIds: readonly string[]): Promise<ReadonlyMap<string, readonly JsonObject[]>>
}

export interface TurnRecord {
  /** Whose conversation it is: a principal's id. */
  readonly owner: string
  /** The calls the client was handed; any of them finds the record. */
  readonly callIds: readonly string[]
  readonly appended: readonly JsonObject[]
}

export interface TurnRecordBounds {
  readonly maxRecords: number
  readonly maxRecordsPerOwner: number
  /** Characters of JSON, over all records. */
  readonly maxTotalSize: number
  /** Milliseconds since a record was last used. */
  readonly lifetimeMs: number
}

const defaultBounds: TurnRecordBounds = {
  maxRecords: 1_000,
  maxRecordsPerOwner: 100,
  maxTotalSize: 64_000_000,
  lifetimeMs: 600_000,
}

interface Kept extends TurnRecord {
  readonly size: number
  usedAt: number
}

/** Least recently used goes first: the owner's own beyond its share, anybody's beyond the total. */
export function createTurnRecords({
  clock = systemClock,
  bounds = {},
}: {
  clock?: Clock
  bounds?: Partial<TurnRecordBounds>
} = {}): TurnRecords {
  const { maxRecords, maxRecordsPerOwner, maxTotalSize, lifetimeMs } = { ...defaultBounds, ...bounds }
  // A Set keeps insertion order, so the first is the least recently used.
  const records = new Set<Kept>()
  const byCall = new Map<string, Kept>()
  let totalSize = 0

  const drop = (record: Kept) => {
    records.delete(record)
    totalSize -= record.size
    for (const callId of record.callIds) byCall.delete(keyOf(record.owner, callId))
  }

  const keep = (record: Kept) => {
    records.add(record)
    totalSize += record.size
    for (const callId of record.callIds) byCall.set(keyOf(record.owner, callId), record)
  }

  const evict = (owner: string) => {
    const expiry = clock.monotonic() - lifetimeMs
    for (const record of records) if (record.usedAt <= expiry) drop(record)
    const owned = [...records].filter((record) => record.owner === owner)
    for (const record of owned.slice(0, Math.max(0, owned.length - maxRecordsPerOwner))) drop(record)
    for (const record of records) {
      if (records.size <= maxRecords && totalSize <= maxTotalSize) return
      drop(record)
    }
  }

  const use = (key: string): readonly JsonObject[] | undefined => {
    const record = byCall.get(key)
    if (record === undefined) return undefined
    drop(record)
    if (record.usedAt + lifetimeMs <= clock.monotonic()) return undefined
    keep({ ...record, usedAt: clock.monotonic() })
    return record.appended
  }

  return {
    async save(record) {
      const size = JSON.stringify(record.appended).length
      keep({ ...record, size, usedAt: clock.monotonic() })
      evict(record.owner)
    },
    async find(owner, callIds) {
      const found = callIds.map((callId) => [callId, use(keyOf(owner, callId))] as const)
      return new Map(found.flatMap(([callId, appended]) => (appended === undefined ? [] : [[callId, appended]])))
    },
  }
}

function keyOf(owner: string, callId: string): string {
  return JSON.stringify([owner, callId])
}
