import { definePlug, isJsonObject, type JsonObject, type Outbound } from '@toolgate/core'
import { z } from 'zod'
import { textOf } from '../json-fields.ts'
import { followsReferences, geminiSchemas } from '../schemas/profiles.ts'
import { crossedProvider } from './ai-sdk/crossed-provider.ts'
import { fetchWithBody } from './ai-sdk/fetch-with-body.ts'
import { anthropicSignatures, googleSignatures } from './ai-sdk/signatures.ts'
import { relayGemini, toGoogleOptions } from './gemini-relay.ts'
import { createGoogleToken, type GoogleToken } from './google-token.ts'
import { relayJson } from './json-relay.ts'
import type { LlmProvider, ProviderOptions, ProviderPlug } from './provider.ts'
import { apiBaseSchema, apiKeySchema, commonSettings } from './settings.ts'
import { toThinkingOptions } from './anthropic.ts'

/** Vertex AI: Gemini, and Anthropic's models (`claude-…`), each in its own dialect at Google's address. */

/** Part of the address. */
const addressPart = z.string().regex(/^[a-z0-9-]+$/, 'must be lower-case letters, digits and hyphens')

const schema = z.object({
  ...commonSettings,
  api_base: apiBaseSchema.optional(),
  vertex_project: addressPart,
  vertex_location: addressPart.default('us-central1'),
  /** A file of credentials, or what stands in it; absent: the account of the machine. */
  vertex_credentials: apiKeySchema.optional(),
})

const variables = {
  vertex_project: 'VERTEXAI_PROJECT',
  vertex_location: 'VERTEXAI_LOCATION',
  vertex_credentials: 'GOOGLE_APPLICATION_CREDENTIALS',
}

function platformOf(settings: z.output<typeof schema>, options: ProviderOptions) {
  const { vertex_project: project, vertex_location: location, api_base: base } = settings
  const host = base ?? `https://${location === 'global' ? '' : `${location}-`}aiplatform.googleapis.com`
  const token = createGoogleToken({ ...options, credentials: settings.vertex_credentials })
  return {
    token,
    publishers: `${host}/v1/projects/${project}/locations/${location}/publishers`,
    headers: async (signal: AbortSignal) => ({
      ...settings.extra_headers,
      authorization: `Bearer ${await token(signal)}`,
    }),
    fetch: authorized(fetchWithBody(options.outbound.fetch, settings.extra_body), token),
  }
}

/** The packages of the AI SDK know keys; Vertex takes tokens. */
function authorized(fetch: Outbound['fetch'], token: GoogleToken): Outbound['fetch'] {
  return async (input, init) => {
    const headers = new Headers(init?.headers)
    for (const name of ['x-goog-api-key', 'x-api-key']) headers.delete(name)
    headers.set('authorization', `Bearer ${await token(init?.signal ?? new AbortController().signal)}`)
    return fetch(input, { ...init, headers })
  }
}

/** The packages want one, and it is sent nowhere. */
const noKey = 'none'

const geminiPlug = definePlug({
  type: 'vertex_ai',
  schema,
  create: (settings, options: ProviderOptions): LlmProvider => {
    const { publishers, headers, fetch, token } = platformOf(settings, options)
    const base = `${publishers}/google`
    const crossed = crossedProvider({
      ...options,
      type: 'vertex_ai',
      settings,
      secrets: token.presented,
      schemas: geminiSchemas,
      signatures: googleSignatures,
      providerOptions: toGoogleOptions,
      async load(model) {
        const { createGoogle } = await import('@ai-sdk/google')
        const google = createGoogle({ apiKey: noKey, baseURL: base, fetch, generateId: () => options.newId('call') })
        return google(model)
      },
    })
    return {
      ...crossed,
      native: relayGemini({ ...options, type: 'vertex_ai', settings, apiKey: undefined, base, headers }),
    }
  },
})

const claudePlug = definePlug({
  type: 'vertex_ai',
  schema,
  create: (settings, options: ProviderOptions): LlmProvider => {
    const { publishers, headers, fetch, token } = platformOf(settings, options)
    const addressOf = ({ model }: JsonObject, streamed: boolean) =>
      `${publishers}/anthropic/models/${encodeURIComponent(textOf(model))}:${streamed ? 'streamRawPredict' : 'rawPredict'}`
    const crossed = crossedProvider({
      ...options,
      type: 'vertex_ai',
      settings,
      secrets: token.presented,
      schemas: followsReferences,
      signatures: anthropicSignatures,
      providerOptions: toThinkingOptions,
      async load(model) {
        const { createAnthropic } = await import('@ai-sdk/anthropic')
        const generateId = () => options.newId('call')
        return createAnthropic({ apiKey: noKey, fetch: readdressed(fetch, addressOf), generateId })(model)
      },
    })
    const messages = relayJson({
      ...options,
      type: 'vertex_ai',
      address: addressOf,
      timeoutMs: settings.timeout,
      apiKey: undefined,
      headers,
      toBody: (body) => ({ ...toVertexBody(body), ...settings.extra_body }),
    })
    return { ...crossed, native: { messages } }
  },
})

/** The model stands in the address, and the version in the body. */
function toVertexBody({ model: _model, ...body }: JsonObject): JsonObject {
  return { anthropic_version: 'vertex-2023-10-16', ...body }
}

function readdressed(
  fetch: Outbound['fetch'],
  addressOf: (body: JsonObject, streamed: boolean) => string,
): Outbound['fetch'] {
  return (input, init) => {
    const body: unknown = typeof init?.body === 'string' ? JSON.parse(init.body) : undefined
    if (!isJsonObject(body)) return fetch(input, init)
    const address = addressOf(body, body['stream'] === true)
    return fetch(address, { ...init, body: JSON.stringify(toVertexBody(body)) })
  }
}

export const vertexClaude: ProviderPlug = { ...claudePlug, variables, serves: /^claude/ }
export const vertexGemini: ProviderPlug = { ...geminiPlug, variables }
