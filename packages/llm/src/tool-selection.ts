import {
  type ApprovalPolicy,
  firstMisspelt,
  GatewayError,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  type RequiredApproval,
} from '@toolgate/core'
import { z } from 'zod'
import { listOf, textOf } from './json-fields.ts'
import type { Approval } from './loop-tool.ts'

/**
 * Which gateway tools a chat request asks for, read from its `tools`, from `x-mcp-servers` and from what its key adds on
 * its own. Pure: it resolves no server and grants nothing. MCP entries aimed at other servers are the provider's and
 * stay in the request.
 */

/** One way in which tools were asked for. */
export interface ToolSelection {
  readonly origin: 'entry' | 'header' | 'auto'
  /** As named by the request: server names, aliases, ids or groups. Absent: everything the key reaches. */
  readonly servers?: readonly string[] | undefined
  /** Prefixed or bare names. Absent: every tool; empty: none. */
  readonly allowedTools?: readonly string[] | undefined
  /** What the entry itself says. */
  readonly approval?: ApprovalPolicy | undefined
  /** What the key says of all its requests. */
  readonly requiredApproval?: RequiredApproval | undefined
  /** False: the semantic filter takes none of these tools away. */
  readonly semanticFilter?: boolean | undefined
  /** The entry's own headers, for its servers only. Names as sent. */
  readonly headers: Readonly<Record<string, string>>
}

export interface SelectToolsOptions {
  readonly body: JsonObject
  /** The value of `x-mcp-servers`: comma-separated names. */
  readonly serversHeader?: string | undefined
  /** The key adds its tools to requests that name none (`Principal.autoTools`). */
  readonly autoTools?: boolean
  /** Of the key; no entry is freer. */
  readonly requiredApproval?: RequiredApproval | undefined
}

export interface SelectedTools {
  readonly selections: readonly ToolSelection[]
  /** The request without the entries that are ours. */
  readonly body: JsonObject
}

/** Rejects entries that cannot be read with `INVALID_REQUEST`, naming the field. */
export function selectTools({
  body,
  serversHeader,
  autoTools = false,
  requiredApproval,
}: SelectToolsOptions): SelectedTools {
  const all = listOf(body['tools'])
  const headerServers = parseNames(serversHeader ?? '')
  const entries = all.flatMap((tool, index) => (isOurs(tool) ? [readEntry(tool, `tools[${index}]`)] : []))
  return {
    selections: combine(entries, headerServers, autoTools).map((selection) => ({ ...selection, requiredApproval })),
    body:
      entries.length === 0
        ? body
        : withTools(
            body,
            all.filter((tool) => !isOurs(tool)),
          ),
  }
}

/**
 * The header scopes entries that name no server; it adds tools of its own only where no entry took it up. Otherwise tools
 * that an entry wants approved would come in a second time, approved.
 */
function combine(entries: ToolSelection[], headerServers: string[], autoTools: boolean): ToolSelection[] {
  if (headerServers.length > 0) {
    const takenUp = entries.some(({ servers }) => servers === undefined)
    const scoped = entries.map((entry) => ({ ...entry, servers: entry.servers ?? headerServers }))
    return takenUp ? scoped : [...scoped, { origin: 'header', servers: headerServers, headers: {} }]
  }
  if (entries.length > 0 || !autoTools) return entries
  return [{ origin: 'auto', headers: {} }]
}

function withTools(body: JsonObject, tools: JsonValue[]): JsonObject {
  if (tools.length > 0) return { ...body, tools }
  const { tools: _removed, ...rest } = body
  return rest
}

const ourAddress = 'litellm_proxy'
const addressPattern = /^litellm_proxy(?:\/mcp(?:\/(?<servers>.*))?)?\/?$/

function isOurs(tool: JsonValue): tool is JsonObject {
  if (!isJsonObject(tool) || tool['type'] !== 'mcp') return false
  return textOf(tool['server_url']).startsWith(ourAddress)
}

const names = z.array(z.string().min(1))
const namedTools = z.looseObject({ tool_names: names.nullish() })

const approvalSchema = z.union([
  z.enum(['never', 'always']),
  z.strictObject({ never: namedTools.nullish(), always: namedTools.nullish() }).transform(({ never, always }) => ({
    never: new Set(never?.tool_names),
    always: new Set(always?.tool_names),
  })),
])

/** RFC 9110 §5.1 and §5.5: what a header can carry, so that a wrong one is the caller's fault and not the upstream's. */
const headerName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const headerValue = /^[\t\x20-\x7e\x80-\xff]*$/

const entrySchema = z.looseObject({
  server_url: z
    .string()
    .regex(addressPattern, 'expected litellm_proxy, litellm_proxy/mcp or litellm_proxy/mcp/<names>'),
  allowed_tools: z.union([names, namedTools.transform(({ tool_names }) => tool_names ?? undefined)]).nullish(),
  require_approval: approvalSchema.nullish(),
  semantic_filter: z.boolean().nullish(),
  headers: z
    .record(z.string().regex(headerName, 'not a header name'), z.string().regex(headerValue, 'not a header value'))
    .nullish(),
})

/** What OpenAI and LiteLLM have in an entry. Known, so that none of it is taken for a misspelling of another. */
const entryKeys = Object.keys(entrySchema.shape).concat([
  'type',
  'server_label',
  'server_description',
  'authorization',
  'connector_id',
  'defer_loading',
])

/**
 * An unknown field close to a known one is an error: `alowed_tools` would offer every tool. So is anything but names in a
 * list of tools, because a filter that is not acted on widens what it was to narrow. Other fields are let pass.
 */
function refuseMisspelt(tool: JsonObject, path: string): void {
  const { allowed_tools: allowed, require_approval: approval } = tool
  refuseNear(tool, path, entryKeys)
  refuseFilters(allowed, `${path}.allowed_tools`)
  if (!isJsonObject(approval)) return
  refuseNear(approval, `${path}.require_approval`, ['always', 'never'])
  refuseFilters(approval['always'], `${path}.require_approval.always`)
  refuseFilters(approval['never'], `${path}.require_approval.never`)
}

function refuseNear(object: JsonObject, path: string, known: readonly string[]): void {
  const misspelt = firstMisspelt(Object.keys(object), known)
  if (misspelt !== undefined) {
    throw unusable(path, `unknown field "${misspelt.key}", did you mean "${misspelt.meant}"?`)
  }
}

function refuseFilters(list: JsonValue | undefined, path: string): void {
  if (!isJsonObject(list)) return
  refuseNear(list, path, ['tool_names'])
  const filter = Object.keys(list).find((key) => key !== 'tool_names')
  if (filter !== undefined) throw unusable(path, `"${filter}" is not supported, name the tools in "tool_names".`)
}

function unusable(field: string, problem: string): GatewayError {
  return new GatewayError('INVALID_REQUEST', `${field} of the request is not usable: ${problem}`, {
    details: { field },
  })
}

function readEntry(tool: JsonObject, path: string): ToolSelection {
  refuseMisspelt(tool, path)
  const parsed = entrySchema.safeParse(tool)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw unusable([path, ...(issue?.path ?? [])].join('.'), `${issue?.message ?? 'not understood'}.`)
  }
  const { server_url, allowed_tools, require_approval, semantic_filter, headers } = parsed.data
  const named = parseNames(addressPattern.exec(server_url)?.groups?.['servers'] ?? '')
  const scope = named.length > 0 ? named : parseNames(scopeHeader(headers ?? {}))
  return {
    origin: 'entry',
    servers: scope.length > 0 ? scope : undefined,
    allowedTools: allowed_tools ?? undefined,
    approval: require_approval ?? undefined,
    semanticFilter: semantic_filter ?? undefined,
    headers: headers ?? {},
  }
}

function scopeHeader(headers: Record<string, string>): string {
  return Object.entries(headers).find(([name]) => name.toLowerCase() === 'x-mcp-servers')?.[1] ?? ''
}

function parseNames(list: string): string[] {
  return list
    .split(',')
    .map((name) => name.trim().replace(/\/$/, ''))
    .filter((name) => name !== '')
}

/**
 * Whether one tool's calls run without asking. Not where its key wants a yes; else as the entry says, else what its server says, else `never` for the header
 * and the key's own tools and `always` for an entry that leaves it open, as OpenAI does. A tool that a list names in no
 * place needs approval; `always` wins where it is named twice.
 *
 * `spellings`: every name the tool may be listed under.
 */
export function resolveApproval(
  { origin, approval, requiredApproval }: Pick<ToolSelection, 'origin' | 'approval' | 'requiredApproval'>,
  serverApproval: ApprovalPolicy | undefined,
  spellings: readonly string[],
): Approval {
  if (requiredApproval === 'always' || spellings.some((name) => requiredApproval?.has(name))) return 'always'
  const policy = approval ?? serverApproval
  if (policy === undefined) return origin === 'entry' ? 'always' : 'never'
  if (policy === 'always' || policy === 'never') return policy
  if (spellings.some((name) => policy.always.has(name))) return 'always'
  return spellings.some((name) => policy.never.has(name)) ? 'never' : 'always'
}
