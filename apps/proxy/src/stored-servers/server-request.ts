/**
 * LiteLLM's `NewMCPServerRequest` and `UpdateMCPServerRequest` in the words of the configuration file. A field close to a
 * known one is refused, another unknown one is left out with a warning, and a known one that this gateway cannot honour is
 * refused: a server must not look safer or more capable than it is.
 */
import { invalidRequest, parseRequest, unknownFields } from '@toolgate/auth'
import { isJsonObject } from '@toolgate/core'
import { z } from 'zod'
import type { Settings } from './secrets.ts'
import { credentialFields, settingFields } from './server-fields.ts'
import { readValues } from './server-values.ts'

const identityFields = {
  server_id: z.string().min(1).nullish(),
  server_name: z.string().nullish(),
  alias: z.string().nullish(),
}

/** Refused wherever they say anything but their default, with the reason. */
const refusals: Readonly<Record<string, string>> = {
  dcr_bridge: 'clients register at the gateway in any case, and show a key beside the token of the server',
  per_server_oauth_discovery: 'authorization servers per MCP server are not supported by this version',
  api_keys: 'grant the server to keys with object_permission.mcp_servers of the key API',
  ...Object.fromEntries(
    `id_jag_audience id_jag_resource id_jag_token_url upstream_resource token_validation`
      .split(/\s+/)
      .map((field) => [
        field,
        'calls would go out under another identity than it says; this version does not support it',
      ]),
  ),
  cwd: 'the working directory of a command can be set in the configuration file only',
}
const refusedDefaults = new Set<unknown>([undefined, null, false, ''])

/** The gateway's own to say: accepted, so that what was read can be sent back. */
const ownedByGateway = new Set(
  `created_at created_by updated_at updated_by teams status stage since latency_ms circuit held_tools diagnostics last_health_check
  health_check_error has_user_credential submitted_by submitted_at reviewed_at review_notes
  origin transport_in_use warnings`.split(/\s+/),
)

const bodyFields = {
  ...identityFields,
  ...settingFields,
  mcp_access_groups: z.array(z.string()).nullish(),
  credentials: z.looseObject(credentialFields).nullish(),
  available_on_public_internet: z.boolean().nullish(),
  approval_status: z.string().nullish(),
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
  const { settings, warnings: more } = readValues({
    ...rest,
    ...(mcp_access_groups !== undefined && { access_groups: mcp_access_groups }),
    ...credentialSettings(credentials),
  })
  return {
    serverId: server_id ?? undefined,
    name: server_name === '' ? null : server_name,
    alias: alias === '' ? null : alias,
    settings,
    warnings: [...warnings, ...more],
  }
}

/** The fields that no schema here knows, as warnings. */
function reviewFields(body: object): readonly string[] {
  const known = [...Object.keys(bodyFields), ...Object.keys(refusals), ...ownedByGateway]
  for (const [field, reason] of Object.entries(refusals)) {
    if (!refusedDefaults.has(Reflect.get(body, field))) throw refused(field, reason)
  }
  const unknown = [...unknownFields(body, { known }), ...unknownCredentials(body)]
  return unknown.map((field) => `${field} is not a known field; it is ignored.`)
}

function unknownCredentials(body: object): readonly string[] {
  const credentials: unknown = Reflect.get(body, 'credentials')
  if (!isJsonObject(credentials)) return []
  const [other] = Object.entries(refusals).filter(([field]) => !refusedDefaults.has(credentials[field]))
  if (other !== undefined) throw refused(`credentials.${other[0]}`, other[1])
  if (!refusedDefaults.has(credentials['client_private_key'])) {
    throw refused('credentials.client_private_key', 'it stands beside credentials, not in them')
  }
  const known = Object.keys(credentialFields)
  return unknownFields(credentials, { known, path: ['credentials'] }).map((field) => `credentials.${field}`)
}

/** `credentials: null` clears them all; within it, what is left out stays. */
function credentialSettings(credentials: z.output<typeof newServerSchema>['credentials']): Settings {
  const fields = Object.keys(credentialFields)
  if (credentials === null) return Object.fromEntries(fields.map((field) => [field, null]))
  return Object.fromEntries(
    Object.entries(credentials ?? {}).filter(([field, value]) => fields.includes(field) && value !== undefined),
  )
}

function refused(field: string, reason: string) {
  return invalidRequest([{ path: field.split('.'), message: `Not supported: ${reason}.`, code: 'not_supported' }])
}
