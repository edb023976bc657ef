import { type Caller, noGrants, nothingForwarded, type Principal, silentPeer } from '@toolgate/core'
import { createToolFilter, type Models, type ToolFilter } from '@toolgate/llm'
import { rankTools } from '@toolgate/manager'
import type { Foundation } from '../foundation.ts'

/** The gateway itself, where it asks a model for what all callers share: its rows are nobody's spend. */
const gatewayAccount: Principal = {
  source: 'gateway',
  id: 'toolgate',
  keyHash: 'toolgate',
  admin: false,
  grants: noGrants,
  autoTools: false,
  toolSearch: false,
}

/**
 * What somebody says passes the guardrails that hold for them and is their spend. Their key need not be allowed the model, and it is no
 * request of theirs that limits count: refused ones would only change what their models are offered.
 */
function onBehalfOf({ id, keyHash, keyAlias, userId, teamId, clientId, guardrails }: Principal): Principal {
  return { ...gatewayAccount, id, keyHash, keyAlias, userId, teamId, clientId, guardrails }
}

export function composeToolFilter({ live, newId, clock, log }: Foundation, models: Models): ToolFilter {
  const account = (caller?: Caller): Caller => ({
    principal: caller === undefined ? gatewayAccount : onBehalfOf(caller.principal),
    guardrails: caller?.guardrails,
    spending: caller?.spending,
    forwarded: nothingForwarded,
    signal: caller?.signal ?? new AbortController().signal,
    request: caller?.request ?? { requestId: newId('req'), traceId: newId('trace'), door: 'tool-filter' },
    peer: silentPeer,
  })
  return createToolFilter({
    models,
    account,
    rankByWords: rankTools,
    clock,
    log,
    settings() {
      const { config, environment } = live.current
      const { toolFilter } = config
      if (toolFilter === undefined) return undefined
      const defaults = environment.toolFilter
      return {
        model: toolFilter.embeddingModel ?? defaults.embeddingModel,
        topK: toolFilter.topK ?? defaults.topK,
        threshold: toolFilter.similarityThreshold ?? defaults.similarityThreshold,
      }
    },
  })
}
