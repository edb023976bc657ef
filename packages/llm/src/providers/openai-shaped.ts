import type { JsonObject } from '@toolgate/core'
import { textOf } from '../json-fields.ts'
import { followsReferences, plainSchemas, strictSchemas } from '../schemas/profiles.ts'
import type { Wire } from '../wire.ts'
import { relayJson } from './json-relay.ts'
import { withoutParameters } from './parameters.ts'
import type { LlmProvider, ProviderOptions } from './provider.ts'
import { withChatInstead } from './responses-or-chat.ts'
import type { CommonSettings } from './settings.ts'

/** A server that speaks OpenAI's dialect. Bodies go as they are, but for what its entry or its kind says. */
export interface OpenAiShaped extends ProviderOptions {
  readonly type: string
  readonly settings: CommonSettings
  /** Absent: it wants no credential. */
  readonly headers?: Readonly<Record<string, string>>
  /** Where an API is, for the model that is asked. */
  readonly address: (path: 'chat/completions' | 'completions' | 'responses' | 'embeddings', model: string) => string
  /** `own`: it has Responses; `maybe`: it is asked; `none`: they are crossed. */
  readonly responses: 'own' | 'maybe' | 'none'
  readonly followsReferences?: boolean
  /** Parameters that it refuses; dropped where `drop_params` says so. */
  readonly refuses?: (model: string) => readonly string[]
  /** Mends what it would refuse in a chat request. */
  readonly mend?: (body: JsonObject) => JsonObject
}

export function openAiShaped(options: OpenAiShaped): LlmProvider {
  const { type, settings, clock, newId, outbound, responses: has, mend = (body) => body } = options
  const at = (path: Parameters<OpenAiShaped['address']>[0], toBody: (body: JsonObject) => JsonObject): Wire =>
    relayJson({
      type,
      outbound,
      clock,
      address: ({ model }) => options.address(path, textOf(model)),
      timeoutMs: settings.timeout,
      apiKey: settings.api_key,
      headers: () => ({ ...settings.extra_headers, ...options.headers }),
      toBody: (body) => ({
        ...toBody(withoutParameters(body, settings.additional_drop_params)),
        ...settings.extra_body,
      }),
    })
  const asItIs = (body: JsonObject) => body
  const chat = at('chat/completions', (body) => mend(dropRefused(body, options)))
  const embeddings = at('embeddings', asItIs)
  const provider: LlmProvider = {
    type,
    ...chat,
    schemas: options.followsReferences === true ? followsReferences : plainSchemas,
    strictSchemas,
    embed: (body, signal, passing) => embeddings.generate(body, signal, passing),
    completions: at('completions', asItIs),
  }
  if (has === 'none') return provider
  const responses = at('responses', asItIs)
  const own = has === 'own' ? responses : withChatInstead(responses, { chat, clock, newId })
  return { ...provider, native: { responses: own } }
}

function dropRefused(body: JsonObject, { settings, refuses }: OpenAiShaped): JsonObject {
  const { model } = body
  if (settings.drop_params !== true || refuses === undefined || typeof model !== 'string') return body
  return withoutParameters(body, refuses(model))
}
