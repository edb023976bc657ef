/**
 * `mcp_servers`: one entry per server, as a map by name or as a list with `server_name`. Reads what every server has;
 * the settings of its transport and of its authentication stay closed until their plugs check them.
 */
import { isReservedUpstream } from '@toolgate/auth'
import { type ApprovalPolicy, isJsonObject, Secret } from '@toolgate/core'
import { z } from 'zod'
import { kindOf } from './explain.ts'
import { inertServerKeys } from './litellm-keys.ts'
import type { ConfigPath, Report } from './report.ts'
import { allKeys, readCookieNames, reviewDiscoveryAuth, type ServerKeys } from './server-auth-block.ts'
import { flag, freeForm, headerName, headerValue, names, secrets, text, timeout } from './scalars.ts'
import { type Place, readMap, readSection } from './section.ts'
import { userSecretFields, withGlobalVariables } from './user-secrets.ts'

const approval = z.enum(['always', 'never'])
const namedTools = z.strictObject({ tool_names: names })
const approvalByTool = z.strictObject({ always: namedTools.optional(), never: namedTools.optional() })

const reserved = 'cannot be set: the gateway itself says it to the server'
const upstreamHeader = headerName.refine((name) => !isReservedUpstream(name), { error: reserved })

function refuseReserved(headers: Readonly<Record<string, Secret>>, context: z.RefinementCtx): void {
  for (const name of Object.keys(headers).filter(isReservedUpstream)) {
    // Of the whole map: the file may write the name in other letters.
    context.addIssue({ code: 'custom', message: `must not hold ${name}, which ${reserved}` })
  }
}

/** LiteLLM's rule. The length is what MCP allows a tool name. */
const displayName = z
  .string()
  .regex(/^[a-zA-Z0-9_-]{1,128}$/, { error: 'must be 1 to 128 letters, digits, underscores and hyphens' })

function refuseShared(names: Readonly<Record<string, string>>, context: z.RefinementCtx): void {
  const shown = Object.values(names)
  const twice = shown.find((name, index) => shown.indexOf(name) !== index)
  if (twice !== undefined) context.addIssue({ code: 'custom', message: 'must not give two tools one name' })
}

export const serverEntrySchema = z.object({
  server_id: z.string().min(1).optional(),
  server_name: z.string().min(1).optional(),
  alias: z.string().min(1).optional(),
  description: text.optional(),
  instructions: text.optional(),
  mcp_info: freeForm.default({}),
  transport: text.optional(),
  auth_type: text.optional(),
  discovery_auth: freeForm.optional(),
  auth: freeForm.optional(),
  oauth_passthrough: flag.default(false),
  delegate_auth_to_upstream: flag.default(false),
  dcr_bridge: flag
    .refine((isSet) => !isSet, {
      error:
        'is not supported: clients register at the gateway in any case, and show a key beside the token of the server',
    })
    .default(false),
  static_headers: z.record(headerName, headerValue).superRefine(refuseReserved).default({}),
  extra_headers: z.array(upstreamHeader).default([]),
  ...userSecretFields,
  access_groups: names.default([]),
  allow_all_keys: flag.default(false),
  api_keys: secrets.default([]),
  allowed_tools: names.optional(),
  disallowed_tools: names.default([]),
  allowed_params: z.record(z.string(), names).default({}),
  tool_name_to_display_name: z.record(z.string(), displayName).superRefine(refuseShared).default({}),
  tool_name_to_description: z.record(z.string(), text).default({}),
  tool_pinning: z.enum(['off', 'warn', 'hold']).default('off'),
  require_approval: z
    .union([approval, approvalByTool], {
      error: 'must be always, never, or a map { always: { tool_names: […] }, never: { tool_names: […] } }',
    })
    .optional(),
  allow_sampling: flag.default(false),
  allow_elicitation: flag.default(false),
  isolation: z.enum(['server', 'principal', 'session', 'call']).optional(),
  prefix: flag.optional(),
  timeout: timeout.optional(),
})

type Common = z.output<typeof serverEntrySchema>

/** One server as the file declares it. */
export interface ServerEntry {
  readonly path: ConfigPath
  readonly name: string
  readonly common: Omit<Common, 'auth' | 'discovery_auth'>
  readonly requireApproval: ApprovalPolicy | undefined
  readonly cookieNames: readonly string[]
  /** Which keys the entry has: those of plugs are checked by the plug that is chosen. */
  readonly keys: ReadonlySet<string>
  /** The entry as JSON; a `Secret` because any setting may be one. `auth.oauth2` and `discovery_auth` are inside. */
  readonly settings: Secret
}

/** What an entry is called: its name, its alias and its `server_id`, as far as they could be read. */
export interface DeclaredEntry {
  readonly name: string | undefined
  readonly alias: string | undefined
  readonly serverId: string | undefined
  /** Undefined where it is left out. What it is called stays its own: a grant for it must not come to mean another server. */
  readonly entry: ServerEntry | undefined
}

export interface Servers {
  readonly servers: readonly ServerEntry[]
  /** All of them, in the order of the file. */
  readonly declaredServers: readonly DeclaredEntry[]
}

/** A misspelt key is an error; anything else that is wrong leaves that server out and is a problem. */
export function readServers(value: unknown, keys: ServerKeys, report: Report): Servers {
  const seen = new Set<string>()
  const declaredServers = listEntries(value, report).map((named) => ({
    name: named.name,
    alias: wordOf(named.entry, 'alias'),
    serverId: wordOf(named.entry, 'server_id'),
    entry: readNamed(named, { seen, keys, report }),
  }))
  const servers = declaredServers.flatMap(({ entry }) => entry ?? [])
  return { servers, declaredServers }
}

interface NamedEntry {
  readonly path: ConfigPath
  /** Undefined where a list does not say one. */
  readonly name: string | undefined
  readonly entry: unknown
}

function listEntries(value: unknown, report: Report): NamedEntry[] {
  if (Array.isArray(value)) {
    return value.map((entry: unknown, index) => ({
      path: ['mcp_servers', index],
      name: wordOf(entry, 'server_name'),
      entry,
    }))
  }
  const written = isJsonObject(value) ? value : readMap(value, { path: ['mcp_servers'], report })
  return Object.entries(written ?? {}).map(([name, entry]) => ({ path: ['mcp_servers', name], name, entry }))
}

interface ReadingServers {
  /** Names of the entries above. */
  readonly seen: Set<string>
  readonly keys: ServerKeys
  readonly report: Report
}

function readNamed({ path, name, entry }: NamedEntry, { seen, keys, report }: ReadingServers): ServerEntry | undefined {
  if (name?.trim() === '') {
    report.problem(path, 'needs a name that is not empty')
    return undefined
  }
  if (name === undefined) {
    const said = isJsonObject(entry) ? entry['server_name'] : undefined
    report.problem([...path, 'server_name'], `must be a string, is ${kindOf(said)}`)
    return undefined
  }
  if (seen.has(name)) {
    report.problem(path, 'has a server_name that an entry above has already')
    return undefined
  }
  seen.add(name)
  const knownProblems = report.problems.length
  const server = readServer(entry, name, { keys, place: { path, report, severity: 'problem' } })
  return report.problems.length > knownProblems ? undefined : server
}

function wordOf(entry: unknown, key: 'server_name' | 'alias' | 'server_id'): string | undefined {
  const word = isJsonObject(entry) ? entry[key] : undefined
  return typeof word === 'string' && word !== '' ? word : undefined
}

export interface ReadOptions {
  readonly keys: ServerKeys
  readonly place: Place
}

/** One entry by itself; undefined where what it says was reported. */
export function readServer(value: unknown, name: string, { keys, place }: ReadOptions): ServerEntry | undefined {
  const written = readMap(value ?? {}, place)
  if (written === undefined) return undefined
  const entry = withGlobalVariables(written)
  const common = readSection(entry, place, {
    schema: serverEntrySchema,
    dialect: 'litellm',
    elsewhere: [...allKeys(keys.transports), ...allKeys(keys.authMethods)],
    inert: inertServerKeys,
  })
  if (common === undefined) return undefined
  const { auth, discovery_auth, ...rest } = common
  reviewDiscoveryAuth(discovery_auth, place, keys)
  return {
    path: place.path,
    name,
    common: rest,
    requireApproval: toApproval(common.require_approval),
    cookieNames: readCookieNames(auth, place, keys),
    keys: new Set(Object.keys(entry)),
    settings: new Secret(JSON.stringify(entry)),
  }
}

function toApproval(setting: Common['require_approval']): ApprovalPolicy | undefined {
  if (typeof setting !== 'object') return setting
  return { always: new Set(setting.always?.tool_names), never: new Set(setting.never?.tool_names) }
}
