import type { SharedV4ProviderOptions } from '@ai-sdk/provider'
import { definePlug, isJsonObject, type JsonObject } from '@toolgate/core'
import { z } from 'zod'
import { bedrockSchemas } from '../schemas/profiles.ts'
import { crossedProvider } from './ai-sdk/crossed-provider.ts'
import { bedrockSignatures } from './ai-sdk/signatures.ts'
import type { LlmProvider, ProviderOptions, ProviderPlug } from './provider.ts'
import { apiBaseSchema, apiKeySchema, commonSettings } from './settings.ts'

/** Amazon Bedrock's Converse, with keys of AWS or one of Bedrock's own. Profiles and roles of AWS are not looked up. */
const plug = definePlug({
  type: 'bedrock',
  schema: z
    .object({
      ...commonSettings,
      api_base: apiBaseSchema.optional(),
      /** Part of the address. */
      aws_region_name: z
        .string()
        .regex(/^[a-z0-9-]+$/, 'must be a region of AWS')
        .default('us-east-1'),
      aws_access_key_id: apiKeySchema.optional(),
      aws_secret_access_key: apiKeySchema.optional(),
      aws_session_token: apiKeySchema.optional(),
    })
    .superRefine(({ api_key: key, aws_access_key_id: id, aws_secret_access_key: secret }, context) => {
      if (key !== undefined || (id !== undefined && secret !== undefined)) return
      const message = 'is needed together with aws_secret_access_key, or an api_key of Bedrock'
      context.addIssue({ code: 'custom', path: ['aws_access_key_id'], message })
    }),
  create: (settings, options: ProviderOptions): LlmProvider => {
    const { api_key: key, api_base: baseUrl, aws_region_name: region } = settings
    const { aws_access_key_id: id, aws_secret_access_key: secret, aws_session_token: session } = settings
    return crossedProvider({
      ...options,
      type: 'bedrock',
      settings,
      secrets: () => [key, secret, session],
      schemas: bedrockSchemas,
      signatures: bedrockSignatures,
      providerOptions: (body) => toBedrockOptions(body, settings.extra_body),
      async load(model) {
        const { createAmazonBedrock } = await import('@ai-sdk/amazon-bedrock')
        const bedrock = createAmazonBedrock({
          region,
          fetch: options.outbound.fetch,
          ...(baseUrl !== undefined && { baseURL: baseUrl }),
          // Without one the package would take whatever key the process was started with, wherever it goes.
          apiKey: key?.reveal() ?? '',
          ...(id !== undefined && { accessKeyId: id.reveal() }),
          ...(secret !== undefined && { secretAccessKey: secret.reveal() }),
          ...(session !== undefined && { sessionToken: session.reveal() }),
        })
        return bedrock(model.replace(/^converse\//, ''))
      },
    })
  },
})

function toBedrockOptions(
  { thinking }: JsonObject,
  extra: JsonObject | undefined,
): SharedV4ProviderOptions | undefined {
  const options = {
    ...(isJsonObject(thinking) && {
      reasoningConfig: { type: thinking['type'] ?? 'enabled', budgetTokens: thinking['budget_tokens'] },
    }),
    ...(extra && { additionalModelRequestFields: extra }),
  }
  return Object.keys(options).length === 0 ? undefined : { bedrock: options }
}

export const bedrock: ProviderPlug = {
  ...plug,
  variables: {
    api_key: 'AWS_BEARER_TOKEN_BEDROCK',
    aws_region_name: 'AWS_REGION_NAME',
    aws_access_key_id: 'AWS_ACCESS_KEY_ID',
    aws_secret_access_key: 'AWS_SECRET_ACCESS_KEY',
    aws_session_token: 'AWS_SESSION_TOKEN',
  },
}
