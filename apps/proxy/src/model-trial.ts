import {
  type Clock,
  createAddressGuard,
  createOutbound,
  GatewayError,
  type JsonObject,
  startDeadline,
} from '@toolgate/core'
import { type ProviderOptions, toDeployment } from '@toolgate/llm'
import type { LoadedConfig } from './config/load.ts'

/**
 * A model that is in no configuration yet, asked once: LiteLLM's `/health/test_connection`. For administrators. The request
 * cannot make the gateway send its own provider keys anywhere: where it names an address, only the key that stands beside
 * it goes there, and private networks are refused unless the operator lists them.
 */
export type ModelTrial = (parameters: JsonObject, signal: AbortSignal) => Promise<JsonObject>

/** Milliseconds. */
const trialMs = 30_000

export interface ModelTrialOptions {
  readonly providerOptions: ProviderOptions
  readonly clock: Clock
  readonly config: () => LoadedConfig
}

/** Rejects with `INVALID_REQUEST` for what names no model, else as providers do. */
export function createModelTrial({ providerOptions, clock, config }: ModelTrialOptions): ModelTrial {
  return async (parameters, signal) => {
    const ownAddress = parameters['api_base'] === undefined || parameters['api_base'] === null
    const { environment, config: settings } = config()
    const entry = toDeployment(
      { model_name: 'test', litellm_params: withoutNulls(parameters) },
      ownAddress ? { lookup: environment.lookup } : {},
    )
    if (!entry.ok) throw invalid(entry.issues[0])
    const guarded = createOutbound({ guard: createAddressGuard(settings.allowedPrivateNetworks) })
    try {
      using deadline = startDeadline(clock, trialMs, signal)
      const { provider, upstreamModel } = entry.create(
        ownAddress ? providerOptions : { ...providerOptions, outbound: guarded, readCredentialFile: noFile },
      )
      const question = { messages: [{ role: 'user', content: 'Say ok.' }], max_tokens: 16 }
      return await provider.generate({ ...question, model: upstreamModel }, deadline.signal)
    } finally {
      await guarded.close()
    }
  }
}

/** A credential of the operator's would go to whatever address the request names. */
const noFile = async () => undefined

function withoutNulls(parameters: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(parameters).filter(([, value]) => value !== null))
}

function invalid(issue: { readonly path: readonly PropertyKey[]; readonly message: string } | undefined): GatewayError {
  const field = issue?.path.map(String).join('.') ?? 'litellm_params'
  return new GatewayError('INVALID_REQUEST', `${field}: ${issue?.message ?? 'names no model'}`, { details: { field } })
}
