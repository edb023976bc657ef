import type { Recorder } from '@toolgate/core'
import {
  type Approvals,
  createApprovals,
  createModels,
  createPostgresRecordStore,
  createStoredResponses,
  createStoredTurnRecords,
  createToolResults,
  createTurnRecords,
  type Models,
  type RecordStore,
  type RouterListener,
  type StoredResponses,
  toDeployment,
  type ToolResults,
  type TurnRecords,
} from '@toolgate/llm'
import { guardModelCalls, limitModelCalls } from '@toolgate/policies'
import type { LoadedConfig } from '../config/load.ts'
import type { Foundation } from '../foundation.ts'
import type { Metrics } from '../metrics.ts'
import type { Rings } from './policies.ts'
import { createLiveModels, type LiveModels } from '../reload/live-models.ts'

/** The second spine, and what is kept of conversations. */
export interface Llm {
  readonly models: Models
  readonly turnRecords: TurnRecords
  readonly approvals: Approvals
  readonly records: RecordStore
  readonly toolResults: ToolResults
  readonly storedResponses: StoredResponses
  readonly liveModels: LiveModels
}

export function composeModels(foundation: Foundation, record: Recorder, rings: Rings): Llm {
  const { loaded, live, database, outbound, log, clock, newId, metrics } = foundation
  const records = createPostgresRecordStore({ db: database.db, clock, newId })
  const liveModels = createLiveModels({ bind: bindModel, providerOptions: { outbound, clock, newId }, log })
  liveModels.prepare(loaded).apply()
  return {
    models: createModels({
      deployments: liveModels.deployments,
      routerSettings: () => live.current.config.router,
      listener: reportDeployments(metrics),
      record,
      policies: [limitModelCalls(rings.limiting), guardModelCalls(rings.guarding)],
      countingPolicies: [guardModelCalls(rings.guarding)],
      log,
      clock,
      newId,
    }),
    turnRecords: createStoredTurnRecords({ memory: createTurnRecords({ clock }), store: records, log }),
    approvals: createApprovals({ store: records, log }),
    records,
    toolResults: createToolResults({ store: records, newId, log }),
    storedResponses: createStoredResponses({ store: records, log }),
    liveModels,
  }
}

/** What makes a deployment of an entry of the file; `config check` needs the same. */
export function bindModel({ environment: { lookup }, config }: Binding) {
  const defaults = config?.modelDefaults ?? {}
  return (definition: object) => toDeployment(definition, { lookup, defaults })
}

/** Whether an entry can be bound does not depend on what it has by default. */
interface Binding extends Pick<LoadedConfig, 'environment'> {
  readonly config?: Pick<LoadedConfig['config'], 'modelDefaults'>
}

function reportDeployments(metrics: Metrics): RouterListener {
  return {
    onAttempt: ({ deployment: { modelName: model, id = '' }, outcome }) =>
      metrics.observeAttempt({ model, deployment: id, outcome }),
    onCooldown: ({ deployment: { modelName: model, id = '' } }) => metrics.countCooldown({ model, deployment: id }),
  }
}
