import type { Logger } from '@toolgate/core'
import { type DeploymentEntry, type NamedDeployment, type ProviderOptions, withIds } from '@toolgate/llm'
import type { LoadedConfig } from '../config/load.ts'
import { bindModels, type ModelDefinition, type ModelEntry } from '../config/models.ts'
import { compareByName, type NameChanges } from './changes.ts'

/** The models of the file as one list that a reload replaces: a request goes on with the deployment it began with. */
export interface LiveModels {
  deployments(): readonly NamedDeployment[]
  /** Builds those of a configuration; `apply` puts them in force. An entry that cannot be built is left out. */
  prepare(loaded: LoadedConfig): PreparedModels
}

export interface PreparedModels {
  readonly changes: NameChanges
  /** One line for each entry that is left out. */
  readonly problems: readonly string[]
  apply(): void
}

export interface LiveModelsOptions {
  /** What makes a deployment of an entry, with the keys of that configuration's environment. */
  bind(loaded: LoadedConfig): (definition: ModelDefinition) => DeploymentEntry
  readonly providerOptions: ProviderOptions
  readonly log: Logger
}

export function createLiveModels({ bind, providerOptions, log }: LiveModelsOptions): LiveModels {
  let deployments: readonly NamedDeployment[] = []
  let entries: readonly ModelEntry[] = []
  return {
    deployments: () => deployments,
    prepare(loaded) {
      const { models, problems, notices } = bindModels(loaded.config.models, bind(loaded))
      const built = withIds(models.map((model) => model.create(providerOptions)))
      return {
        changes: compareByName(definitionsOf(entries), definitionsOf(loaded.config.models)),
        problems: problems.map(loaded.explain),
        apply() {
          for (const notice of notices) log.warn({ config: loaded.explain(notice) }, 'configuration warning')
          for (const problem of problems) log.error({ config: loaded.explain(problem) }, 'model left out')
          deployments = built
          entries = loaded.config.models
        },
      }
    },
  }
}

/** Several entries may serve one name. */
function definitionsOf(entries: readonly ModelEntry[]): ReadonlyMap<string, string> {
  const definitions = new Map<string, string>()
  for (const { name, definition } of entries) {
    definitions.set(name, `${definitions.get(name) ?? ''}\n${definition.reveal()}`)
  }
  return definitions
}
