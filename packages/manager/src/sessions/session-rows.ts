import type { SessionStore, StoredSession } from './session-store.ts'

/** A session of which something is heard each time that its row is read is taken as it is then. */
const maxReadings = 3

/** Rows as they are at the end of the reading: a change that is heard of meanwhile may not have been in what was read. */
export interface SessionRows {
  /** One reading of each at a time. */
  read(id: string): Promise<StoredSession | undefined>
  heardOf(id: string): void
}

export function createSessionRows(store: Pick<SessionStore, 'load'>): SessionRows {
  const reading = new Map<string, { isOld: boolean }>()
  return {
    async read(id) {
      const state = { isOld: false }
      reading.set(id, state)
      try {
        let stored = await store.load(id)
        for (let times = 1; state.isOld && times < maxReadings; times += 1) {
          state.isOld = false
          stored = await store.load(id)
        }
        return stored
      } finally {
        reading.delete(id)
      }
    },
    heardOf(id) {
      const state = reading.get(id)
      if (state !== undefined) state.isOld = true
    },
  }
}
