/**
 * `general_settings` and `litellm_settings`. The master key and the database may stand in either (LiteLLM's users do
 * both); where both have one, `general_settings` wins and the other is reported.
 */
import { isWellFormedCredential, type JwtSettings, type PersonSignInSettings } from '@toolgate/auth'
import { formOfDatabaseUrl, isDatabaseUrl } from '@toolgate/db'
import type { RouterSettings } from '@toolgate/llm'
import {
  isNetwork,
  type JsonObject,
  type LoopLimits,
  loopLimitsSchema,
  type Secret,
  secretSchema,
  toLoopLimits,
} from '@toolgate/core'
import { z } from 'zod'
import { type KeyParams, readKeyParams } from './key-params.ts'
import { type JwtVariables, readJwtSettings } from './jwt-settings.ts'
import { inertGeneralSettings, inertLitellmSettings } from './litellm-keys.ts'
import { readPersonSignIn } from './person-sign-in.ts'
import type { Report } from './report.ts'
import { readRouterSettings, sharedRouterShape } from './router.ts'
import { type GuardrailConfig, readGuardrails } from './guardrails.ts'
import { flag, headerName } from './scalars.ts'
import { readSection } from './section.ts'

const identity = {
  master_key: secretSchema
    .refine(
      (key) => isWellFormedCredential(key.reveal()),
      'must be of visible ASCII characters without spaces, and no longer than 8192: clients send it in a header',
    )
    .optional(),
  database_url: secretSchema.refine(isDatabaseUrl, `must be ${formOfDatabaseUrl}`).optional(),
  disable_database: flag.optional(),
}

const networks = z.array(
  z.string().refine(isNetwork, { error: 'must be an IP address or a network such as 10.0.0.0/8' }),
)

export const generalSettingsSchema = z.object({
  ...identity,
  litellm_key_header_name: headerName.optional(),
  mcp_client_side_auth_header_name: headerName.optional(),
  mcp_default_access: z.enum(['none', 'all']).optional(),
  mcp_tool_prefix: z.enum(['always', 'when_ambiguous', 'never']).optional(),
  mcp_allowed_private_networks: networks.optional(),
  use_x_forwarded_for: flag.optional(),
  mcp_trusted_proxy_ranges: networks.optional(),
  mcp_allowed_origins: z.array(z.string()).optional(),
  mcp_allowed_hosts: z.array(z.string().toLowerCase()).optional(),
  config_watch: flag.optional(),
  mcp_limits: loopLimitsSchema.optional(),
  allow_public_health_readiness_details: flag.optional(),
  enable_drain_endpoint: flag.optional(),
  enable_jwt_auth: flag.optional(),
  litellm_jwtauth: z.unknown().optional(),
  mcp_sign_in: z.unknown().optional(),
})

export const litellmSettingsSchema = z.object({
  ...identity,
  ...sharedRouterShape,
  mcp_aliases: z.record(z.string(), z.string()).optional(),
  drop_params: flag.optional(),
  modify_params: flag.optional(),
  mcp_semantic_tool_filter: z.unknown().optional(),
  require_auth_for_metrics_endpoint: flag.optional(),
  default_key_generate_params: z.unknown().optional(),
  upperbound_key_generate_params: z.unknown().optional(),
})

export const toolFilterSchema = z.object({
  enabled: flag.optional(),
  embedding_model: z.string().min(1).optional(),
  top_k: z.int().min(1).max(1_000).optional(),
  similarity_threshold: z.number().min(-1).max(1).optional(),
})

/** Of a request with many tools the model gets those nearest to what the user said. Absent values are the environment's. */
export interface ToolFilterSettings {
  readonly embeddingModel: string | undefined
  readonly topK: number | undefined
  readonly similarityThreshold: number | undefined
}

/** What the two sections say, in our words. Header names are lower-case. */
export interface Settings extends KeyParams {
  readonly masterKey: Secret | undefined
  readonly databaseUrl: Secret | undefined
  /** Read before every other credential header. */
  readonly keyHeader: string | undefined
  readonly clientSideAuthHeader: string | undefined
  /** What entries of `model_list` do not say themselves. */
  readonly modelDefaults: JsonObject
  /** What a key without any MCP grant may reach. */
  readonly defaultAccess: 'none' | 'all'
  readonly toolPrefix: 'always' | 'when_ambiguous' | 'never'
  /** Beside the public Internet, where servers that were added through the API may be. */
  readonly allowedPrivateNetworks: readonly string[]
  /** Whose `X-Forwarded-Host` and `X-Forwarded-Proto` say where a request came to; absent: nobody's. */
  readonly trustedProxies: readonly string[] | undefined
  /** Origins of web pages that may talk MCP to the gateway, beside those of this machine. */
  readonly allowedOrigins: readonly string[]
  /** Names under which MCP clients may reach it; absent: any, or with a gateway on loopback those of this machine. */
  readonly allowedHosts: readonly string[] | undefined
  /** A change of the file is followed by a reload. */
  readonly configWatch: boolean
  /** `/health/readiness` tells everybody its details. */
  readonly publicReadinessDetails: boolean
  /** `/health/drain` works, for everybody who can reach it. */
  readonly drainEndpoint: boolean
  /** Absent: switched off. */
  readonly toolFilter: ToolFilterSettings | undefined
  /** Alias → server name, in the order of the file. */
  readonly aliases: ReadonlyMap<string, string>
  /** `/metrics` needs no credential. Otherwise it is for administrators: its labels name servers and models. */
  readonly publicMetrics: boolean
  /** Absent: tokens of identity providers are no credentials. */
  readonly jwt: JwtSettings | undefined
  /** Absent: whoever lets an MCP client in shows a key. */
  readonly personSignIn: PersonSignInSettings | undefined
  /** The ceiling of every tool loop, where the file sets one. */
  readonly loopLimits: Partial<LoopLimits>
  readonly guardrails: readonly GuardrailConfig[]
  /** How requests are spread over deployments, repeated and passed on. */
  readonly router: RouterSettings
}

export interface SettingsSections {
  readonly general_settings?: unknown
  readonly litellm_settings?: unknown
  readonly router_settings?: unknown
  readonly guardrails?: unknown
}

export function readSettings(sections: SettingsSections, variables: JwtVariables, report: Report): Settings {
  const general = readSection(
    sections.general_settings,
    { path: ['general_settings'], report },
    { schema: generalSettingsSchema, dialect: 'litellm', inert: inertGeneralSettings },
  )
  const litellm = readSection(
    sections.litellm_settings,
    { path: ['litellm_settings'], report },
    { schema: litellmSettingsSchema, dialect: 'litellm', inert: inertLitellmSettings },
  )
  for (const key of ['master_key', 'database_url'] as const) {
    if (general?.[key] === undefined || litellm?.[key] === undefined) continue
    report.warn(['litellm_settings', key], 'is not used: general_settings has one too')
  }
  for (const [section, settings] of Object.entries({ general_settings: general, litellm_settings: litellm })) {
    if (settings?.disable_database !== true) continue
    report.warn([section, 'disable_database'], 'is accepted, not acted on: keys and the ledger need a database')
  }
  return {
    masterKey: general?.master_key ?? litellm?.master_key,
    databaseUrl: general?.database_url ?? litellm?.database_url,
    keyHeader: general?.litellm_key_header_name,
    clientSideAuthHeader: general?.mcp_client_side_auth_header_name,
    defaultAccess: general?.mcp_default_access ?? 'none',
    toolPrefix: general?.mcp_tool_prefix ?? 'always',
    allowedPrivateNetworks: general?.mcp_allowed_private_networks ?? [],
    trustedProxies: general?.use_x_forwarded_for === true ? general.mcp_trusted_proxy_ranges : undefined,
    allowedOrigins: general?.mcp_allowed_origins ?? [],
    allowedHosts: general?.mcp_allowed_hosts,
    configWatch: general?.config_watch ?? false,
    publicReadinessDetails: general?.allow_public_health_readiness_details ?? false,
    drainEndpoint: general?.enable_drain_endpoint ?? false,
    toolFilter: readToolFilter(litellm?.mcp_semantic_tool_filter, report),
    aliases: new Map(Object.entries(litellm?.mcp_aliases ?? {})),
    modelDefaults: {
      ...(litellm?.drop_params !== undefined && { drop_params: litellm.drop_params }),
      ...(litellm?.modify_params !== undefined && { modify_params: litellm.modify_params }),
    },
    publicMetrics: litellm?.require_auth_for_metrics_endpoint === false,
    ...readIdentityProviders(general ?? {}, variables, report),
    loopLimits: toLoopLimits(general?.mcp_limits ?? {}),
    guardrails: readGuardrails(sections.guardrails, report),
    router: readRouterSettings(sections.router_settings, litellm ?? {}, report),
    ...readKeyParams(litellm ?? {}, report),
  }
}

/** Tokens of identity providers as credentials, and people that sign in there: each without the other, or both. */
function readIdentityProviders(
  general: z.output<typeof generalSettingsSchema>,
  variables: JwtVariables,
  report: Report,
): Pick<Settings, 'jwt' | 'personSignIn'> {
  const { enable_jwt_auth: enabled = false, litellm_jwtauth: section, mcp_sign_in: signIn } = general
  const read = enabled || signIn !== undefined ? readJwtSettings(section, variables, { enabled, report }) : undefined
  return { jwt: enabled ? read : undefined, personSignIn: readPersonSignIn(signIn, read, report) }
}

function readToolFilter(value: unknown, report: Report): ToolFilterSettings | undefined {
  if (value === undefined || value === null) return undefined
  const path = ['litellm_settings', 'mcp_semantic_tool_filter']
  const filter = readSection(value, { path, report }, { schema: toolFilterSchema, dialect: 'litellm', inert: [] })
  if (filter?.enabled !== true) return undefined
  return {
    embeddingModel: filter.embedding_model,
    topK: filter.top_k,
    similarityThreshold: filter.similarity_threshold,
  }
}
