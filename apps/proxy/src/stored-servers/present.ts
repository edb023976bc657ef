/**
 * A server as LiteLLM's `LiteLLM_MCPServerTable` shows it, with what else is known of it beside. Where it is and how it is
 * reached is for administrators. A secret is nowhere: what is stored has a placeholder in its place, which may be sent back.
 */
import type { ManagedServer, ServerHealth } from '@toolgate/manager'
import type { McpServerRow } from '@toolgate/db'
import { defaultTransport } from '../config/build-server.ts'
import { absentSettings, credentialFields } from './server-fields.ts'

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
    held_tools: health.held.map(({ name, reason }) => ({ name, reason })),
  }
}

export interface ServerView {
  /** Where a server is, how it is reached and which others share its groups is for administrators. */
  readonly admin: boolean
  /** In use. */
  readonly server?: ManagedServer | undefined
  /** Stored. */
  readonly row?: McpServerRow | undefined
  /** Whether the asking user has a key or an account there; absent where that is not known, or the server takes none. */
  readonly hasUserCredential?: boolean | undefined
  readonly health?: ServerHealth | undefined
  /** Why it is not in use. */
  readonly reason?: string | undefined
  readonly diagnostics?: object | undefined
}

/** Every answer about a server has the same fields; what may not be looked at is null, or empty where LiteLLM has no null. */
export function toTable({ admin, server, row, hasUserCredential, health, reason, diagnostics }: ServerView) {
  return {
    ...(admin ? absentSettings : hiddenSettings),
    ...fixed,
    ...(server !== undefined && declared(server)),
    ...(admin && server !== undefined && reached(server)),
    ...(admin && row !== undefined && stored(row)),
    ...state({ admin, health, reason }),
    has_user_credential: hasUserCredential ?? null,
    diagnostics: diagnostics ?? null,
  }
}

/** Fields that say the same of every server, or nothing yet. */
const fixed = {
  mcp_access_groups: [],
  credentials: null,
  available_on_public_internet: true,
  approval_status: 'active',
  submitted_by: null,
  submitted_at: null,
  reviewed_at: null,
  review_notes: null,
  teams: [],
  origin: null,
  created_at: null,
  created_by: null,
  updated_at: null,
  updated_by: null,
}

const hiddenSettings = Object.fromEntries(
  Object.entries(absentSettings).map(([field, absent]) => [
    field,
    Array.isArray(absent) || field === 'env' ? absent : null,
  ]),
)

/** What any caller may know of a server it may use: names of other tools and groups would tell what it may not. */
function declared(server: ManagedServer) {
  return {
    server_id: server.id,
    server_name: server.name,
    alias: server.alias ?? null,
    description: server.description ?? null,
    transport: server.transportType,
    auth_type: server.auth.type,
    mcp_info: server.info,
    allow_all_keys: server.allowAllKeys,
    is_byok: server.byok !== undefined,
    byok_description: [...(server.byok?.description ?? [])],
    byok_api_key_help_url: server.byok?.helpUrl ?? null,
  }
}

function reached(server: ManagedServer) {
  return {
    mcp_access_groups: [...server.accessGroups],
    allowed_tools: [...(server.allowedTools ?? [])],
    tool_name_to_display_name: server.displayNames.size === 0 ? null : Object.fromEntries(server.displayNames),
    tool_name_to_description: server.descriptions.size === 0 ? null : Object.fromEntries(server.descriptions),
    tool_pinning: server.toolPinning,
    url: server.address,
    static_headers: Object.fromEntries([...server.staticHeaders.keys()].map((name) => [name, '[redacted]'])),
    extra_headers: [...server.extraHeaders],
    origin: server.origin,
  }
}

function stored(row: McpServerRow) {
  const { access_groups: accessGroups, ...settings } = row.settings
  const isCredential = (field: string) => Object.hasOwn(credentialFields, field)
  const entries = Object.entries(settings)
  const credentials = entries.filter(([field]) => isCredential(field))
  return {
    ...absentSettings,
    transport: defaultTransport(new Set(Object.keys(settings))),
    ...Object.fromEntries(entries.filter(([field]) => !isCredential(field))),
    server_id: row.id,
    server_name: row.name,
    alias: row.alias,
    mcp_access_groups: accessGroups ?? [],
    credentials: credentials.length === 0 ? null : Object.fromEntries(credentials),
    origin: 'stored',
    created_at: row.createdAt.toISOString(),
    created_by: row.createdBy,
    updated_at: row.updatedAt.toISOString(),
    updated_by: row.updatedBy,
  }
}

function state({ admin, health, reason }: Pick<ServerView, 'admin' | 'health' | 'reason'>) {
  const unknown = {
    status: reason === undefined ? 'unknown' : 'quarantined',
    last_health_check: null,
    health_check_error: reason ?? null,
    stage: null,
    since: null,
    latency_ms: null,
    circuit: null,
    held_tools: [],
  }
  if (health === undefined) return unknown
  const { status, last_health_check, health_check_error, ...rest } = encodeServerHealth(health)
  return { ...unknown, status, last_health_check, health_check_error, ...(admin && rest) }
}

function toIso(epochMs: number | undefined): string | null {
  return epochMs === undefined ? null : new Date(epochMs).toISOString()
}
