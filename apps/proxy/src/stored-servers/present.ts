/**
 * A server as LiteLLM's `LiteLLM_MCPServerTable` shows it, with what else is known of it beside. Where it is and how it is
 * reached is for administrators. A secret is nowhere: what is stored has a placeholder in its place, which may be sent back.
 */
import type { ManagedServer, ServerHealth } from '@toolgate/manager'
import type { McpServerRow } from '@toolgate/db'
import type { Settings } from './secrets.ts'

const credentialKeys = ['auth_value', 'authentication_token', 'client_id', 'client_secret', 'scopes']

/** The health of a server, in the words of every answer that tells it. `stderr` and such are for administrators. */
export function encodeServerHealth(health: ServerHealth) {
  return {
    status: health.status,
    last_health_check: toIso(health.checkedAt),
    health_check_error: health.message ?? null,
    stage: health.stage ?? null,
    since: toIso(health.since),
    latency_ms: health.latencyMs ?? null,
    circuit: health.circuit,
  }
}

/** What any caller may know of a server it may use: names of other tools and groups would tell what it may not. */
export function encodeForCaller(server: ManagedServer, health: ServerHealth) {
  const { status, last_health_check, health_check_error } = encodeServerHealth(health)
  return {
    ...common(server),
    status,
    last_health_check,
    health_check_error,
    mcp_access_groups: [],
    allowed_tools: [],
    url: null,
    static_headers: null,
    extra_headers: null,
    credentials: null,
  }
}

/** One that is in use; `row` where it is a stored one. */
export function encodeForAdmin(server: ManagedServer, health: ServerHealth, row?: McpServerRow) {
  return {
    ...common(server),
    ...defaults,
    ...encodeServerHealth(health),
    mcp_access_groups: [...server.accessGroups],
    allowed_tools: [...(server.allowedTools ?? [])],
    url: server.address,
    static_headers: Object.fromEntries([...server.staticHeaders.keys()].map((name) => [name, '[redacted]'])),
    extra_headers: [...server.extraHeaders],
    credentials: null,
    origin: server.origin,
    ...(row !== undefined && encodeRow(row)),
  }
}

/** One that is stored and not in use. */
export function encodeQuarantined(row: McpServerRow, reason: string) {
  return {
    ...defaults,
    ...encodeRow(row),
    status: 'quarantined',
    last_health_check: null,
    health_check_error: reason,
    stage: null,
    since: null,
    latency_ms: null,
    circuit: null,
  }
}

/** What is stored, whether it is in use or not. */
export function encodeRow(row: McpServerRow) {
  const { access_groups: accessGroups, ...settings } = row.settings
  return {
    ...withoutCredentials(settings),
    server_id: row.id,
    server_name: row.name,
    alias: row.alias,
    mcp_access_groups: accessGroups ?? [],
    allowed_tools: settings['allowed_tools'] ?? [],
    url: settings['url'] ?? null,
    transport: settings['transport'] ?? (settings['command'] === undefined ? 'http' : 'stdio'),
    auth_type: settings['auth_type'] ?? 'none',
    credentials: credentialsOf(settings),
    origin: 'stored',
    created_at: row.createdAt.toISOString(),
    created_by: row.createdBy,
    updated_at: row.updatedAt.toISOString(),
    updated_by: row.updatedBy,
  }
}

function common(server: ManagedServer) {
  return {
    server_id: server.id,
    server_name: server.name,
    alias: server.alias ?? null,
    description: server.description ?? null,
    transport: server.transportType,
    auth_type: server.auth.type,
    mcp_info: server.info,
    allow_all_keys: server.allowAllKeys,
  }
}

/** Fields of LiteLLM's answer that say nothing here, so that its clients find them. */
const defaults = {
  description: null,
  mcp_info: {},
  allow_all_keys: false,
  spec_path: null,
  extra_headers: [],
  static_headers: {},
  command: null,
  args: [],
  env: {},
  authorization_url: null,
  token_url: null,
  registration_url: null,
  tool_name_to_display_name: null,
  tool_name_to_description: null,
  available_on_public_internet: true,
  is_byok: false,
  byok_description: [],
  byok_api_key_help_url: null,
  has_user_credential: null,
  source_url: null,
  approval_status: 'active',
  submitted_by: null,
  submitted_at: null,
  reviewed_at: null,
  review_notes: null,
  teams: [],
}

function credentialsOf(settings: Settings): Settings | null {
  const found = credentialKeys.flatMap((key) => (settings[key] === undefined ? [] : [[key, settings[key]] as const]))
  return found.length === 0 ? null : Object.fromEntries(found)
}

function withoutCredentials(settings: Settings): Settings {
  return Object.fromEntries(Object.entries(settings).filter(([key]) => !credentialKeys.includes(key)))
}

function toIso(epochMs: number | undefined): string | null {
  return epochMs === undefined ? null : new Date(epochMs).toISOString()
}
