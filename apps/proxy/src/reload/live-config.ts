import type { LoadedConfig } from '../config/load.ts'
import { compareSettings, keepUntilRestart, type SettingChanges } from './settings.ts'

/** The configuration in force. Whoever needs a setting that a reload may change asks here each time, and keeps nothing. */
export interface LiveConfig {
  readonly current: LoadedConfig
  /** The same as it would be after a reload: with what only a restart can change left as it is. */
  review(next: LoadedConfig): ReviewedConfig
  replace(next: ReviewedConfig): void
}

export interface ReviewedConfig {
  readonly loaded: LoadedConfig
  readonly changes: SettingChanges
}

export function createLiveConfig(started: LoadedConfig): LiveConfig {
  let current = started
  return {
    get current() {
      return current
    },
    review(next) {
      return { loaded: keepUntilRestart(next, started), changes: compareSettings(next, { current, started }) }
    },
    replace(next) {
      current = next.loaded
    },
  }
}
