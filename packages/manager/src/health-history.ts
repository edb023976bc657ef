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

export interface HealthHistory {
  /** Keeps it where it differs from the last one of this server. */
  note(server: ManagedServer, health: ServerHealth): void
  newestFirst(): readonly HealthRecord[]
}

export function createHealthHistory(clock: Clock): HealthHistory {
  const records: HealthRecord[] = []
  return {
    note({ id, name }, health) {
      const last = records.findLast(({ serverId }) => serverId === id)
      if (last?.health.status === health.status && last.health.stage === health.stage) return
      records.push({ serverId: id, serverName: name, at: health.checkedAt ?? clock.now(), health })
      if (records.length > remembered) records.shift()
    },
    newestFirst: () => records.toReversed(),
  }
}
