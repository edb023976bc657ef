import type { Logger, NewId } from '@toolgate/core'
import type { RecordStore } from './record-store.ts'

/** Results that were too long for a model, whole, for whoever asked for them. */
export interface ToolResults {
  /** The id it is found by for a while; undefined where it could not be kept. */
  keep(owner: string, text: string): Promise<string | undefined>
  find(owner: string, id: string): Promise<string | undefined>
}

const lifetimeMs = 3_600_000

export function createToolResults({
  store,
  newId,
  log,
}: {
  store: RecordStore
  newId: NewId
  log: Logger
}): ToolResults {
  return {
    async keep(owner, text) {
      const id = newId('result')
      try {
        await store.save({ owner, kind: 'result', names: [id], value: text, lifetimeMs })
        return id
      } catch (err) {
        // The model has its part; the rest is a convenience.
        log.warn({ err }, 'the whole result of a tool could not be stored')
        return undefined
      }
    },
    async find(owner, id) {
      const [found] = await store.find({ owner, kind: 'result', names: [id] })
      return typeof found?.value === 'string' ? found.value : undefined
    },
  }
}
