import type { Clock } from '@toolgate/core'
import type { ServerHealth } from './health.ts'
import type { ManagedServer } from './registry/managed-server.ts'

/** A server whose health became another one, or was seen for the first time. */
export interface HealthRecord {
  readonly serverId: string
  readonly serverName: string
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly health: ServerHealth
}

/** Changes that are remembered, of all servers together; the oldest goes first. */
const remembered = 1_000

/** Servers whose last record is remembered beyond that; the one that changed longest ago is forgotten first. */
const serversRemembered = 10_000

export interface HealthChange {
  readonly record: HealthRecord
  /** Absent where the server is seen for the first time. */
  readonly before: ServerHealth | undefined
}

export interface HealthHistory {
  /** Keeps it where it differs from the last one of this server; answers whether it does, and what that was. */
  note(server: ManagedServer, health: ServerHealth): HealthChange | undefined
  newestFirst(): readonly HealthRecord[]
}

export function createHealthHistory(clock: Clock): HealthHistory {
  const records: HealthRecord[] = []
  const latest = new Map<string, ServerHealth>()
  return {
    note({ id, name }, health) {
      const before = latest.get(id)
      if (before !== undefined && isSame(before, health)) return undefined
      latest.delete(id)
      latest.set(id, health)
      const [oldest] = latest.keys()
      if (latest.size > serversRemembered && oldest !== undefined) latest.delete(oldest)
      const record = { serverId: id, serverName: name, at: clock.now(), health }
      records.push(record)
      if (records.length > remembered) records.shift()
      return { record, before }
    },
    newestFirst: () => records.toReversed(),
  }
}

/** Behind an open circuit the stage is now that of the last attempt, now that of the refusal: that is no change. */
function isSame(before: ServerHealth, now: ServerHealth): boolean {
  const isOpen = now.circuit !== 'closed'
  if (before.status !== now.status || (before.circuit !== 'closed') !== isOpen) return false
  return isOpen || before.stage === now.stage
}
