/**
 * Which settings a reload applies, and which need a restart. Two total tables: a setting that is added does not compile
 * until somebody has said which it is.
 */
import { isDeepStrictEqual } from 'node:util'
import { Secret } from '@toolgate/core'
import type { Environment } from '../config/env.ts'
import type { LoadedConfig } from '../config/load.ts'
import type { Settings } from '../config/settings.ts'

export interface SettingChanges {
  /** Applied, by the name under which an operator writes it. */
  readonly applied: readonly string[]
  /** Changed in the file, and not in force before a restart. */
  readonly needRestart: readonly string[]
}

interface Handling {
  readonly name: string
  readonly live: boolean
}

const live = (name: string): Handling => ({ name, live: true })
const atStart = (name: string): Handling => ({ name, live: false })

const settings = {
  masterKey: atStart('general_settings.master_key'),
  databaseUrl: atStart('general_settings.database_url'),
  keyHeader: live('general_settings.litellm_key_header_name'),
  clientSideAuthHeader: live('general_settings.mcp_client_side_auth_header_name'),
  defaultAccess: live('general_settings.mcp_default_access'),
  toolPrefix: live('general_settings.mcp_tool_prefix'),
  allowedPrivateNetworks: live('general_settings.mcp_allowed_private_networks'),
  trustedProxies: live('general_settings.use_x_forwarded_for and mcp_trusted_proxy_ranges'),
  allowedOrigins: live('general_settings.mcp_allowed_origins'),
  allowedHosts: live('general_settings.mcp_allowed_hosts'),
  configWatch: live('general_settings.config_watch'),
  publicReadinessDetails: live('general_settings.allow_public_health_readiness_details'),
  drainEndpoint: live('general_settings.enable_drain_endpoint'),
  toolFilter: live('litellm_settings.mcp_semantic_tool_filter'),
  aliases: live('litellm_settings.mcp_aliases'),
  modelDefaults: live('litellm_settings.drop_params and modify_params'),
  publicMetrics: live('litellm_settings.require_auth_for_metrics_endpoint'),
  jwt: live('general_settings.enable_jwt_auth and litellm_jwtauth'),
  personSignIn: live('general_settings.mcp_sign_in'),
  loopLimits: live('general_settings.mcp_limits'),
  guardrails: live('guardrails'),
  router: live('router_settings'),
  keyDefaults: live('litellm_settings.default_key_generate_params'),
  keyUpperBounds: live('litellm_settings.upperbound_key_generate_params'),
} as const satisfies Record<keyof Settings, Handling>

/** Of `environment_variables` in the file; what the process was started with never changes. */
const variables = {
  configFile: atStart('CONFIG_FILE_PATH'),
  port: atStart('PORT'),
  host: atStart('HOST'),
  logLevel: live('LOG_LEVEL'),
  dataDirectory: atStart('TOOLGATE_DATA_DIR'),
  encryptionKey: atStart('TOOLGATE_ENCRYPTION_KEY'),
  saltKey: atStart('LITELLM_SALT_KEY'),
  formerKeys: atStart('TOOLGATE_ENCRYPTION_KEY_PREVIOUS and LITELLM_SALT_KEY_PREVIOUS'),
  callTimeoutMs: live('LITELLM_MCP_CLIENT_TIMEOUT'),
  listTimeoutMs: live('LITELLM_MCP_TOOL_LISTING_TIMEOUT'),
  shortToolPrefix: live('LITELLM_USE_SHORT_MCP_TOOL_PREFIX'),
  toolPrefixSeparator: live('MCP_TOOL_PREFIX_SEPARATOR'),
  stdioCommands: live('LITELLM_ENABLE_MCP_STDIO and LITELLM_MCP_STDIO_EXTRA_COMMANDS'),
  mcpIdentity: live('LITELLM_MCP_SERVER_NAME and LITELLM_MCP_SERVER_DESCRIPTION'),
  sessionsPerOwner: atStart('LITELLM_MCP_MAX_STATEFUL_SESSIONS_PER_OWNER'),
  toolFilter: live('DEFAULT_MCP_SEMANTIC_FILTER_* and MAX_MCP_SEMANTIC_FILTER_TOOLS_HEADER_LENGTH'),
  keyRotation: atStart('LITELLM_KEY_ROTATION_*'),
  tokenCache: atStart(
    'MCP_OAUTH2_TOKEN_CACHE_*, MCP_TOKEN_EXCHANGE_CACHE_MAX_SIZE and MCP_*_TOKEN_EXPIRY_BUFFER_SECONDS',
  ),
  oauth2ForServersWithoutAuth: live('LITELLM_MCP_AUTH_AUTO_PATCH'),
  oauth2: live('MCP_OAUTH2_*'),
  publicAddress: atStart('PROXY_BASE_URL and SERVER_ROOT_PATH'),
  trustedRedirects: live('MCP_TRUSTED_REDIRECT_ORIGINS and MCP_TRUSTED_NATIVE_REDIRECT_URIS'),
} as const satisfies Record<Exclude<keyof Environment, NotCompared>, Handling>

/** The first four are part of `settings`, where the file may have them as well; the last two are functions. */
type NotCompared = 'masterKey' | 'databaseUrl' | 'clientSideAuthHeader' | 'jwt' | 'lookup' | 'withDefaults'

/** `started` is what the process began with: what needs a restart is reported until there was one. */
export function compareSettings(after: LoadedConfig, { current, started }: Baselines): SettingChanges {
  return {
    applied: changedBetween(current, after).flatMap((setting) => (setting.live ? [setting.name] : [])),
    needRestart: changedBetween(started, after).flatMap((setting) => (setting.live ? [] : [setting.name])),
  }
}

/** What a reload puts in force of a configuration: whatever waits for a restart is as it was at the start, for everybody who asks. */
export function keepUntilRestart(next: LoadedConfig, started: LoadedConfig): LoadedConfig {
  return {
    ...next,
    config: { ...next.config, ...keptOf(settings, started.config) },
    environment: { ...next.environment, ...keptOf(variables, started.environment) },
  }
}

function keptOf(table: Readonly<Record<string, Handling>>, started: object): object {
  const waiting = Object.entries(table).filter(([, setting]) => !setting.live)
  return Object.fromEntries(waiting.map(([key]): [string, unknown] => [key, Reflect.get(started, key)]))
}

export interface Baselines {
  readonly current: LoadedConfig
  readonly started: LoadedConfig
}

function changedBetween(before: LoadedConfig, after: LoadedConfig): readonly Handling[] {
  return [
    ...changedIn(settings, before.config, after.config),
    ...changedIn(variables, before.environment, after.environment),
  ]
}

function changedIn(table: Readonly<Record<string, Handling>>, before: object, after: object): readonly Handling[] {
  return Object.entries(table)
    .filter(([key]) => !isDeepStrictEqual(opened(Reflect.get(before, key)), opened(Reflect.get(after, key))))
    .map(([, handling]) => handling)
}

/** Secrets hide their value from a comparison as well; this is for one, and nothing of it is kept. */
function opened(value: unknown): unknown {
  if (value instanceof Secret) return value.reveal()
  if (value instanceof Map) return [...value].map(opened)
  if (value instanceof Set) return [...value].map(opened)
  if (Array.isArray(value)) return value.map(opened)
  if (typeof value !== 'object' || value === null) return value
  return Object.entries(value).map(([key, item]) => [key, opened(item)])
}
