/**
 * The schedule behind `auto_rotate`. A key is shown once and kept nowhere, so nothing here could hand a new one to
 * anybody: a key that were replaced by itself would be an outage. What is due is therefore announced, in the log and as an
 * event, and stays in force until its holder or an administrator fetches the new key.
 */
import { type Clock, type Logger, systemClock } from '@toolgate/core'
import type { KeyRotationStore } from './key-store.ts'

export interface KeyRotationWorkerOptions {
  readonly store: KeyRotationStore
  readonly log: Logger
  readonly clock?: Clock
  /** Milliseconds between two looks. */
  readonly checkEveryMs: number
}

export interface KeyRotationWorker {
  start(): void
  /** Resolves when nothing is under way. */
  close(): Promise<void>
}

/** In one look; what is left over is taken with the next. */
const mostKeysPerLook = 100

export function createKeyRotationWorker(options: KeyRotationWorkerOptions): KeyRotationWorker {
  const { store, log, clock = systemClock, checkEveryMs } = options
  let stop: (() => void) | undefined
  let running: Promise<void> | undefined

  const look = async (): Promise<void> => {
    try {
      for (const { keyName, keyAlias, hash, keyRotationAt } of await store.takeDue(
        new Date(clock.now()),
        mostKeysPerLook,
      )) {
        log.warn(
          { key: keyName, alias: keyAlias, token: hash, due: keyRotationAt?.toISOString() },
          'A key is due for rotation: its holder or an administrator should fetch a new one.',
        )
      }
    } catch (error) {
      // Nobody waits for it, and the next look takes what this one did not.
      log.warn({ err: error }, 'Keys that are due for rotation could not be looked for.')
    }
  }

  const lookOnce = (): void => {
    running ??= look().finally(() => {
      running = undefined
    })
  }

  return {
    start() {
      if (stop !== undefined) return
      stop = clock.every(checkEveryMs, lookOnce)
      lookOnce()
    },
    async close() {
      stop?.()
      await running
    },
  }
}
