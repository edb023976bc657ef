import type { Models } from '@toolgate/llm'
import { type Catalog, type Health, listKinds, type Registry } from '@toolgate/manager'
import type { Foundation } from '../foundation.ts'
import type { Metrics } from '../metrics.ts'
import { createModelHealth, type ModelHealth } from '../model-health.ts'
import { createModelTrial, type ModelTrial } from '../model-trial.ts'
import type { HealthSettings } from '../routes/health-probes.ts'

/** What the health routes need beside the services that are there for others. */
export interface HealthServices {
  readonly lookUpKey: (signal: AbortSignal) => Promise<void>
  readonly healthSettings: () => HealthSettings
  readonly modelHealth: ModelHealth
  readonly tryModel: ModelTrial
}

/** No key has such a hash: finding none is all that readiness wants to know. */
const hashOfNoKey = 'readiness'

interface KeyLookUp {
  find(hash: string, signal: AbortSignal): Promise<unknown>
}

export function composeHealth(
  { live, outbound, clock, newId }: Foundation,
  { keyCache, models }: { readonly keyCache: KeyLookUp; readonly models: Models },
): HealthServices {
  return {
    async lookUpKey(signal) {
      await keyCache.find(hashOfNoKey, signal)
    },
    healthSettings: () => live.current.config,
    modelHealth: createModelHealth({ models, clock }),
    tryModel: createModelTrial({
      providerOptions: { outbound, clock, newId },
      clock,
      config: () => live.current,
    }),
  }
}

export interface ReportedServers {
  readonly registry: Pick<Registry, 'list'>
  readonly health: Pick<Health, 'last'>
  readonly catalog: Pick<Catalog, 'version' | 'watch'>
}

/** The servers' part of `/metrics`. Their labels are names of servers, which only operators choose. */
export function reportServers(metrics: Metrics, { registry, health, catalog }: ReportedServers): void {
  metrics.watchServers(() =>
    registry.list().map((server) => {
      const { status, circuit } = health.last(server)
      const versions = listKinds.flatMap((kind) => {
        const version = catalog.version(server.id, kind)
        return version === undefined ? [] : [{ kind, version }]
      })
      return { server: server.name, status, circuit, versions }
    }),
  )
  catalog.watch(({ server, outcome, failure = outcome }, kind) => {
    if (failure.status !== 'ok') metrics.countRefreshFailure({ server: server.name, kind, outcome: failure.status })
  })
}
