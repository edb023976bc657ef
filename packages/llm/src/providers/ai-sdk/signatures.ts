import type { SharedV4ProviderMetadata, SharedV4ProviderOptions } from '@ai-sdk/provider'
import { isJsonObject, type JsonObject } from '@toolgate/core'
import { listOf, textOf } from '../../json-fields.ts'

/**
 * Providers sign what a model thought, and want it back with the calls that came of it. In chat completions it travels as
 * LiteLLM's clients know it: `thinking_blocks` of a message, `provider_specific_fields.thought_signature` of a call.
 */
export interface SignatureKeys {
  /** Namespace of the AI SDK's package. */
  readonly namespace: string
  readonly signature: string
  /** Where the thought itself is sealed; absent where the provider has none. */
  readonly redacted?: string
}

export const anthropicSignatures: SignatureKeys = {
  namespace: 'anthropic',
  signature: 'signature',
  redacted: 'redactedData',
}
export const bedrockSignatures: SignatureKeys = {
  namespace: 'bedrock',
  signature: 'signature',
  redacted: 'redactedData',
}
export const googleSignatures: SignatureKeys = { namespace: 'google', signature: 'thoughtSignature' }
export const noSignatures: SignatureKeys = { namespace: 'none', signature: 'signature' }

const signatureFields = ['signature', 'thoughtSignature']

/** The signature in whatever package's metadata; undefined where there is none. */
export function signatureOf(metadata: SharedV4ProviderMetadata | undefined): string | undefined {
  return findText(metadata, signatureFields)
}

/** A thought as it goes to the client; undefined where its provider wants nothing back. */
export function toThinkingBlock(
  thinking: string,
  metadata: SharedV4ProviderMetadata | undefined,
): JsonObject | undefined {
  const data = findText(metadata, ['redactedData'])
  if (data !== undefined) return { type: 'redacted_thinking', data }
  const signature = signatureOf(metadata)
  return signature === undefined ? undefined : { type: 'thinking', thinking, signature }
}

export interface SignedThought {
  readonly text: string
  readonly providerOptions: SharedV4ProviderOptions
}

/** Thoughts as the client sent them back. */
export function toThoughts(message: JsonObject, keys: SignatureKeys): SignedThought[] {
  return listOf(message['thinking_blocks'])
    .filter(isJsonObject)
    .flatMap(({ type, thinking, signature, data }) => {
      if (type === 'redacted_thinking' && keys.redacted !== undefined) {
        return [{ text: '', providerOptions: { [keys.namespace]: { [keys.redacted]: textOf(data) } } }]
      }
      if (textOf(signature) === '') return []
      return [
        { text: textOf(thinking), providerOptions: { [keys.namespace]: { [keys.signature]: textOf(signature) } } },
      ]
    })
}

/** The signature of a call as the client sent it back: where LiteLLM has it, or Google's own OpenAI dialect. */
export function callOptions(call: JsonObject, keys: SignatureKeys): SharedV4ProviderOptions | undefined {
  const { provider_specific_fields: fields, extra_content: extra } = call
  const google = isJsonObject(extra) ? extra['google'] : undefined
  const [signature] = [fields, google].flatMap((one) =>
    isJsonObject(one) && typeof one['thought_signature'] === 'string' ? [one['thought_signature']] : [],
  )
  return signature === undefined ? undefined : { [keys.namespace]: { [keys.signature]: signature } }
}

function findText(metadata: SharedV4ProviderMetadata | undefined, fields: readonly string[]): string | undefined {
  const found = Object.values(metadata ?? {}).flatMap((payload) => fields.map((field) => payload[field]))
  return found.filter((value) => typeof value === 'string').find((value) => value !== '')
}
