/**
 * LiteLLM's `NewMCPServerRequest` and `UpdateMCPServerRequest` in the words of the configuration file. A field close to a
 * known one is refused, another unknown one is left out with a warning, and a known one that this gateway cannot honour is
 * refused: a server must not look safer or more capable than it is.
 */
import { invalidRequest, parseRequest } from '@toolgate/auth'
import { firstMisspelt, isJsonObject } from '@toolgate/core'
import { z } from 'zod'
import type { Settings } from './secrets.ts'

const text = z.string().nullish()
const flag = z.boolean().nullish()
const texts = z.array(z.string()).nullish()
const textMap = z.record(z.string(), z.string()).nullish()
const freeForm = z.record(z.string(), z.unknown()).nullish()
const seconds = z.number().positive().nullish()

const credentialFields = {
  auth_value: text,
  authentication_token: text,
  client_id: text,
  client_secret: text,
  scopes: z.union([z.string(), z.array(z.string())]).nullish(),
}

/** What is stored under the name it has in the configuration file. */
const settingFields = {
  description: text,
  instructions: text,
  transport: z.enum(['http', 'sse', 'stdio']).nullish(),
  url: text,
  command: text,
  args: texts,
  env: textMap,
  auth_type: text,
  mcp_info: freeForm,
  allowed_tools: texts,
  disallowed_tools: texts,
  allowed_params: z.record(z.string(), z.array(z.string())).nullish(),
  tool_name_to_display_name: textMap,
  tool_name_to_description: textMap,
  extra_headers: texts,
  static_headers: textMap,
  env_vars: z.array(z.record(z.string(), z.unknown())).nullish(),
  issuer: text,
  authorization_url: text,
  token_url: text,
  registration_url: text,
  oauth2_flow: z.enum(['client_credentials', 'authorization_code']).nullish(),
  token_endpoint_auth_method: text,
  audience: text,
  resource: text,
  allow_all_keys: flag,
  source_url: text,
  timeout: seconds,
  max_concurrent_requests: z.number().int().positive().nullish(),
  allowed_response_headers: texts,
  auth: freeForm,
  discovery_auth: freeForm,
  isolation: z.enum(['server', 'principal', 'session', 'call']).nullish(),
  prefix: flag,
  require_approval: z.union([z.enum(['always', 'never']), z.record(z.string(), z.unknown())]).nullish(),
  allow_sampling: flag,
  allow_elicitation: flag,
}

const identityFields = { server_id: z.string().min(1).nullish(), server_name: text, alias: text }

/** Refused wherever they say anything but their default, with the reason. */
const refusals: Readonly<Record<string, string>> = {
  spec_path: 'OpenAPI documents cannot be served by this version',
  is_byok: 'keys that users bring for themselves are not supported by this version',
  delegate_auth_to_upstream:
    'callers are always admitted by the gateway first; auth_type oauth_delegate passes their credential on',
  oauth_passthrough:
    'callers are always admitted by the gateway first; auth_type true_passthrough passes their credential on',
  dcr_bridge: 'dynamic client registration is not supported by this version',
  per_server_oauth_discovery: 'authorization servers per MCP server are not supported by this version',
  api_keys: 'grant the server to keys with object_permission.mcp_servers of the key API',
  cwd: 'the working directory of a command can be set in the configuration file only',
}
const refusedDefaults = new Set<unknown>([undefined, null, false, ''])

/** The gateway's own to say: accepted, so that what was read can be sent back. */
const ownedByGateway = new Set(
  `created_at created_by updated_at updated_by teams status stage since latency_ms circuit diagnostics last_health_check
  health_check_error has_user_credential submitted_by submitted_at reviewed_at review_notes byok_description
  byok_api_key_help_url origin transport_in_use warnings`.split(/\s+/),
)

const bodyFields = {
  ...identityFields,
  ...settingFields,
  mcp_access_groups: texts,
  credentials: z.looseObject(credentialFields).nullish(),
  available_on_public_internet: flag,
  approval_status: text,
}

/** LiteLLM's `NewMCPServerRequest`, with this gateway's own settings beside it. */
export const newServerSchema = z.object(bodyFields)
/** The same for a change: what is left out stays, null clears. */
export const updateServerSchema = z.object({ ...bodyFields, server_id: z.string().min(1) })

export interface ServerRequest {
  readonly serverId: string | undefined
  /** Null clears; undefined was not said. */
  readonly name: string | null | undefined
  readonly alias: string | null | undefined
  /** What was said, in the words of the file; null clears. */
  readonly settings: Settings
  readonly warnings: readonly string[]
}

/** Throws `INVALID_REQUEST` with the issues: fields and reasons, never values. */
export function readServerRequest(
  body: object,
  schema: typeof newServerSchema | typeof updateServerSchema,
): ServerRequest {
  const warnings = reviewFields(body)
  const parsed = parseRequest(schema, body)
  const {
    server_id,
    server_name,
    alias,
    mcp_access_groups,
    credentials,
    available_on_public_internet,
    approval_status,
    ...rest
  } = parsed
  if (available_on_public_internet === false)
    throw refused('available_on_public_internet', 'callers are not told apart by their network')
  if (approval_status != null && approval_status !== 'active')
    throw refused('approval_status', 'servers are in use as soon as they are stored')
  return {
    serverId: server_id ?? undefined,
    name: server_name === '' ? null : server_name,
    alias: alias === '' ? null : alias,
    settings: {
      ...withoutUndefined(rest),
      ...(mcp_access_groups !== undefined && { access_groups: mcp_access_groups }),
      ...credentialSettings(credentials),
      // LiteLLM's empty list restricts nothing; in the file it would allow no tool at all.
      ...(rest.allowed_tools?.length === 0 && { allowed_tools: null }),
    },
    warnings,
  }
}

/** The fields that no schema here knows, as warnings. */
function reviewFields(body: object): readonly string[] {
  const known = [...Object.keys(bodyFields), ...Object.keys(refusals), ...ownedByGateway]
  for (const [field, reason] of Object.entries(refusals)) {
    if (!refusedDefaults.has(Reflect.get(body, field))) throw refused(field, reason)
  }
  const unknown = [...unknownIn(body, known, []), ...unknownCredentials(body)]
  return unknown.map((field) => `${field} is not a known field; it is ignored.`)
}

function unknownCredentials(body: object): readonly string[] {
  const credentials: unknown = Reflect.get(body, 'credentials')
  if (!isJsonObject(credentials)) return []
  const cloud = Object.entries(credentials).find(
    ([field, value]) => field.startsWith('aws_') && !refusedDefaults.has(value),
  )
  if (cloud !== undefined) throw refused(`credentials.${cloud[0]}`, 'requests cannot be signed for AWS by this version')
  const known = [
    ...Object.keys(credentialFields),
    ...Object.keys(credentials).filter((field) => field.startsWith('aws_')),
  ]
  return unknownIn(credentials, known, ['credentials'])
}

function unknownIn(given: object, known: readonly string[], path: readonly string[]): readonly string[] {
  const misspelt = firstMisspelt(Object.keys(given), known)
  if (misspelt !== undefined) {
    const message = `Unknown field. Did you mean "${misspelt.meant}"?`
    throw invalidRequest([{ path: [...path, misspelt.key], message, code: 'extra_forbidden' }])
  }
  return Object.keys(given)
    .filter((field) => !known.includes(field))
    .map((field) => [...path, field].join('.'))
}

/** `credentials: null` clears them all; within it, what is left out stays. */
function credentialSettings(credentials: z.output<typeof newServerSchema>['credentials']): Settings {
  const fields = Object.keys(credentialFields)
  if (credentials === null) return Object.fromEntries(fields.map((field) => [field, null]))
  return Object.fromEntries(
    Object.entries(credentials ?? {}).filter(([field, value]) => fields.includes(field) && value !== undefined),
  )
}

function withoutUndefined(fields: object): Settings {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}

function refused(field: string, reason: string) {
  return invalidRequest([{ path: field.split('.'), message: `Not supported: ${reason}.`, code: 'not_supported' }])
}
