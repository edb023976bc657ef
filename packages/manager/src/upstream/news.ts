import type { Cancel, Clock, JsonRpcNotification } from '@toolgate/core'
import type { UnsolicitedListener } from './connection.ts'

/** Milliseconds in which one kind of news is passed on at most once, and once more at their end. */
const quietMs = 500

const listChanged = /^notifications\/(?:tools|prompts|resources)\/list_changed$/

export interface News {
  hear(notification: JsonRpcNotification): void
  /** Drops what was put off. */
  close(): void
}

/**
 * Passes on what a server says outside any call. "The list has changed" is worth hearing at once, and again when the
 * server has finished changing it, but not a thousand times in between: each makes the gateway read the list.
 */
export function createNews(clock: Clock, listener: UnsolicitedListener): News {
  /** Kind → the end of its quiet time. As many as there are kinds of lists. */
  const quiet = new Map<string, { lastMs: number; again?: Cancel }>()

  const pass = (notification: JsonRpcNotification) => {
    quiet.set(notification.method, { lastMs: clock.monotonic() })
    listener(notification)
  }

  return {
    hear(notification) {
      if (!listChanged.test(notification.method)) return listener(notification)
      const since = quiet.get(notification.method)
      if (since?.again !== undefined) return
      const leftMs = since === undefined ? 0 : since.lastMs + quietMs - clock.monotonic()
      if (since === undefined || leftMs <= 0) return pass(notification)
      since.again = clock.after(leftMs, () => pass(notification))
    },
    close() {
      for (const { again } of quiet.values()) again?.()
      quiet.clear()
    },
  }
}
