/**
 * Puts a changed configuration file in force without dropping a call: it is read and checked as at start, and only where
 * that succeeds are keys, models, servers and settings swapped. Calls under way finish on what they began with. Environment
 * variables are those that the process was started with. Refuses while the gateway drains.
 */
import { GatewayError, type Logger, oneAtATime, toGatewayError } from '@toolgate/core'
import type { LoadedConfig } from '../config/load.ts'
import type { Lifecycle } from '../lifecycle.ts'
import type { NameChanges } from './changes.ts'
import type { KeyChanges } from './config-keys.ts'
import type { LiveConfig } from './live-config.ts'
import type { LiveModels } from './live-models.ts'

export interface Reload {
  /**
   * Rejects with `CONFIGURATION_INVALID` (one line per error), `STORE_UNAVAILABLE` or `SHUTTING_DOWN`, and then everything is
   * as it was. One at a time; whoever asks while one runs shares the next.
   */
  run(trigger: ReloadTrigger): Promise<ReloadReport>
}

export type ReloadTrigger = 'signal' | 'watch' | 'api'

/** What changed, for the log line and the answer of the route. */
export interface ReloadReport {
  readonly servers: NameChanges
  readonly models: NameChanges
  readonly keys: KeyChanges
  /** Settings that hold from here on. */
  readonly settings: readonly string[]
  /** Settings that differ in the file and hold after a restart. */
  readonly needRestart: readonly string[]
  /** Servers and models that are left out, one line each. */
  readonly problems: readonly string[]
  readonly warnings: readonly string[]
}

export interface ReloadOptions {
  readonly live: LiveConfig
  readonly models: LiveModels
  readonly servers: LiveServers
  readonly lifecycle: Pick<Lifecycle, 'phase'>
  readonly log: Logger
  /** Reads and checks the file. Throws `CONFIGURATION_INVALID`. */
  read(): LoadedConfig
  replaceKeys(before: LoadedConfig, after: LoadedConfig): Promise<KeyChanges>
  /** For what keeps a copy of a setting, such as the level of the log. */
  settingsChanged(current: LoadedConfig): void
}

/** The servers of the file among those of the registry. */
export interface LiveServers {
  /** Throws what would make the whole file unusable; touches nothing. */
  review(loaded: LoadedConfig): void
  replace(loaded: LoadedConfig): Promise<ServerChanges> | ServerChanges
}

export interface ServerChanges extends NameChanges {
  /** One line for each server that is left out. */
  readonly problems: readonly string[]
}

export function createReload(options: ReloadOptions): Reload {
  const { log } = options
  const run = async (trigger: ReloadTrigger): Promise<ReloadReport> => {
    try {
      const report = await reload(options, trigger)
      log.info({ trigger, ...report }, 'configuration reloaded')
      return report
    } catch (thrown) {
      const error = toGatewayError(thrown)
      if (error.code === 'CONFIGURATION_INVALID') {
        log.error({ trigger, config: linesOf(error) }, 'configuration not reloaded: it has errors')
      } else if (error.code !== 'SHUTTING_DOWN') {
        log.error({ trigger, code: error.code, err: error.cause ?? error }, 'configuration not reloaded')
      }
      throw error
    }
  }
  return { run: oneAtATime(run) }
}

/** The lines of a `CONFIGURATION_INVALID`, one per error. */
export function linesOf({ message }: GatewayError): readonly string[] {
  return message.split('\n')
}

async function reload(
  { live, models, servers, lifecycle, ...options }: ReloadOptions,
  trigger: ReloadTrigger,
): Promise<ReloadReport> {
  if (lifecycle.phase === 'draining') throw new GatewayError('SHUTTING_DOWN', 'The gateway is shutting down.')
  const read = options.read()
  refuseBlank(read)
  const next = live.review(trigger === 'watch' ? watchedOn(read, live.current, options.log) : read)
  const { loaded, changes } = next
  // Everything that can fail comes before the first change; the keys are one transaction of the store.
  servers.review(loaded)
  const prepared = models.prepare(loaded)
  const keys = await options.replaceKeys(live.current, loaded)

  live.replace(next)
  options.settingsChanged(loaded)
  for (const warning of loaded.warnings) {
    options.log.warn({ config: loaded.explain(warning) }, 'configuration warning')
  }
  prepared.apply()
  const { problems, ...changed } = await servers.replace(loaded)
  return {
    servers: changed,
    models: prepared.changes,
    keys,
    settings: changes.applied,
    needRestart: changes.needRestart,
    problems: [...problems, ...prepared.problems],
    warnings: loaded.warnings.map(loaded.explain),
  }
}

/** Editors and deployment tools empty a file before they fill it: whoever wants nothing of it writes `{}`. */
function refuseBlank({ blank }: LoadedConfig): void {
  if (!blank) return
  throw new GatewayError(
    'CONFIGURATION_INVALID',
    'The configuration file is empty. To remove everything on purpose, write {} into it.',
  )
}

/** What the watch finds may be half of a file: it must not be the watch that keeps the gateway from finding the rest. */
function watchedOn(read: LoadedConfig, { config }: LoadedConfig, log: Logger): LoadedConfig {
  if (!config.configWatch || read.config.configWatch) return read
  log.warn({}, 'the file no longer has config_watch; it is watched until a reload by signal or route, or a restart')
  return { ...read, config: { ...read.config, configWatch: true } }
}
