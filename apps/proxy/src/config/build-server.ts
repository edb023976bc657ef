/**
 * From one declared server, of the file or of the store, to one that can be reached: each plug gets the keys it understands
 * and nothing else. Throws `Unusable` with its reason; what loads but deserves a word goes to `notice`.
 */
import { createHash } from 'node:crypto'
import { resolve } from 'node:path'
import { type HeldSecrets, isForwardableHeader } from '@toolgate/auth'
import {
  isJsonObject,
  type PlugRegistry,
  type Secret,
  type ServerDefinition,
  type ServerTimeouts,
  signingOutbound,
  templateHeaders,
  templateVariables,
  type UpstreamAuth,
} from '@toolgate/core'
import type { ManagedServer, TransportOptions, UpstreamTransport } from '@toolgate/manager'
import type { Environment } from './env.ts'
import type { EnvironmentOAuth2 } from './environment-oauth2.ts'
import { explainIssue } from './explain.ts'
import type { ConfigPath, Finding } from './report.ts'
import { pathOf } from './section.ts'
import {
  type Choice,
  chooseAuth,
  chooseDiscoveryAuth,
  keysOf,
  known,
  type OpenSettings,
  pick,
  Unusable,
} from './server-auth.ts'
import { allKeys } from './server-auth-block.ts'
import { userSecretsOf } from './user-secrets.ts'
import type { ServerEntry } from './server-entry.ts'

export interface ServerOptions<AuthOptions> {
  readonly transports: PlugRegistry<TransportOptions, UpstreamTransport>
  readonly authMethods: PlugRegistry<AuthOptions, UpstreamAuth>
  readonly transportOptions: TransportOptions
  /** Made for each server, so that what its authentication has to say is filed under its path. */
  authOptions(report: (level: NoticeLevel, message: string) => void): AuthOptions
  /** Hex SHA-256 of a virtual key, as keys are stored. */
  hashKey(key: Secret): string
  /** Keeps what users hand over. Absent: nothing is kept. */
  readonly userSecrets?: HeldSecrets | undefined
  /** From `createDigest`, made once: a reload must see equal entries as equal. */
  digest(text: string): string
}

/** `warning`: something was written that does not do what it says. */
export interface Notice extends Finding {
  readonly level: NoticeLevel
}

export type NoticeLevel = 'info' | 'warning'

/** What an entry is built with, and what it does not say of itself. */
export interface ServerBuild<AuthOptions> {
  readonly options: ServerOptions<AuthOptions>
  readonly origin: ServerDefinition['origin']
  /** Where the entry has none of its own. */
  readonly id: string
  readonly alias: string | undefined
  /** Where a command's relative paths start. */
  readonly folder: string
  readonly environment: Pick<Environment, 'callTimeoutMs' | 'listTimeoutMs'>
  /** The token of the environment, for entries that declare no authentication. */
  readonly oauth2: EnvironmentOAuth2 | undefined
  notice(level: NoticeLevel, path: ConfigPath, message: string): void
}

/**
 * The id of a server of the file: from its name alone, so that a changed address, credential or alias keeps its
 * grants. `server_id` in the entry wins over it.
 */
export function serverId(name: string): string {
  return createHash('sha256').update(`config-server:${name}`).digest('hex').slice(0, 32)
}

/** Throws {@link Unusable}. */
export function buildServer<AuthOptions>(entry: ServerEntry, build: ServerBuild<AuthOptions>): ManagedServer {
  const { options, oauth2, notice } = build
  const { name, common } = entry
  const settings = openSettings(entry)
  const transportChoice = chooseTransport(entry, settings, build)
  const authChoice = chooseAuth(entry, settings, { authMethods: options.authMethods, environment: oauth2 })
  const discoveryChoice = chooseDiscoveryAuth(entry, settings, options.authMethods)
  noteUnused(entry, [transportChoice, authChoice], build)

  const method = authFor(authChoice, entry, build)
  const discoveryAuth = discoveryChoice && authFor(discoveryChoice, entry, build)
  const transport = bind(
    options.transports,
    transportChoice,
    signedBy([method, discoveryAuth], options.transportOptions),
  )
  const ofUsers = userSecretsOf(entry, settings, { address: transport.address, method, held: options.userSecrets })
  if (authChoice.fromEnvironment)
    notice('info', entry.path, `receives the token of MCP_OAUTH2_TOKEN_URL, at ${transport.address}`)

  const alias = common.alias ?? build.alias
  const timeouts = toTimeouts(common.timeout, build.environment)
  return {
    id: common.server_id ?? build.id,
    name,
    alias,
    prefix: alias ?? name,
    prefixed: common.prefix ?? true,
    revision: options.digest(
      JSON.stringify([settings, transportChoice.settings, authChoice.type, authChoice.settings, alias, timeouts]),
    ),
    origin: build.origin,
    description: common.description,
    instructions: common.instructions,
    info: common.mcp_info,
    transportType: transport.type,
    address: transport.address,
    transport,
    ...ofUsers,
    discoveryAuth,
    staticHeaders: new Map(Object.entries(common.static_headers)),
    ...requestTemplates(entry, settings, notice),
    extraHeaders: new Set(common.extra_headers),
    cookieNames: new Set(entry.cookieNames),
    accessGroups: new Set(common.access_groups),
    allowAllKeys: common.allow_all_keys,
    grantedKeyHashes: new Set(common.api_keys.map((key) => options.hashKey(key))),
    allowedTools: common.allowed_tools && new Set(common.allowed_tools),
    disallowedTools: new Set(common.disallowed_tools),
    allowedParams: new Map(Object.entries(common.allowed_params).map(([tool, names]) => [tool, new Set(names)])),
    displayNames: new Map(Object.entries(common.tool_name_to_display_name)),
    descriptions: new Map(Object.entries(common.tool_name_to_description)),
    toolPinning: common.tool_pinning,
    requireApproval: entry.requireApproval,
    allowSampling: common.allow_sampling,
    allowElicitation: common.allow_elicitation,
    isolation: common.isolation,
    timeouts,
  }
}

function authFor<AuthOptions>(
  choice: Choice,
  { common }: ServerEntry,
  { options, notice }: ServerBuild<AuthOptions>,
): UpstreamAuth {
  const report = (level: NoticeLevel, message: string) => {
    // Users bring the value that it misses.
    if (!common.is_byok) notice(level, choice.path, message)
  }
  return bind(options.authMethods, choice, options.authOptions(report))
}

/** Each signs what bears its own mark, and nothing else. */
function signedBy(methods: readonly (UpstreamAuth | undefined)[], options: TransportOptions): TransportOptions {
  return methods.reduce<TransportOptions>((signing, method) => {
    const sign = method?.sign
    if (sign === undefined) return signing
    return {
      ...signing,
      outbound: signingOutbound(signing.outbound, sign),
      guardedOutbound: signingOutbound(signing.guardedOutbound, sign),
    }
  }, options)
}

/** Which of its texts a request fills in. Throws for a header that goes nowhere. */
function requestTemplates(
  { path, common }: ServerEntry,
  settings: OpenSettings,
  notice: ServerBuild<unknown>['notice'],
): RequestTemplates {
  const declared = new Set(common.env_vars.map(({ name }) => name))
  const open = (key: string, text: string): boolean => {
    const names = templateHeaders(text)
    const refused = names.find((name) => name === 'cookie' || !isForwardableHeader(name))
    if (refused !== undefined) throw new Unusable([...path, key], `must not hold ${refused}, which is never passed on`)
    const variables = templateVariables(text)
    if (variables.some((name) => !declared.has(name))) {
      notice('warning', [...path, key], 'holds ${…}, which is sent as written: nothing fills it in')
    }
    return names.length > 0 || variables.some((name) => declared.has(name))
  }
  const headers = Object.entries(common.static_headers).filter(([, value]) => open('static_headers', value.reveal()))
  const variables = isJsonObject(settings['env']) ? Object.values(settings['env']) : []
  const environment = variables.flatMap((text) => (typeof text === 'string' && open('env', text) ? [text] : []))
  return { templatedHeaders: new Set(headers.map(([name]) => name)), environmentTemplates: environment }
}

type RequestTemplates = Pick<ServerDefinition, 'templatedHeaders' | 'environmentTemplates'>

function openSettings({ settings }: ServerEntry): OpenSettings {
  const open: unknown = JSON.parse(settings.reveal())
  return typeof open === 'object' && open !== null ? { ...open } : {}
}

/** Of a server that does not name its transport: a command is one only where there is no address. */
export function defaultTransport(keys: Pick<ReadonlySet<string>, 'has'>): string {
  if (keys.has('spec_path')) return 'openapi'
  return keys.has('command') && !keys.has('url') ? 'stdio' : 'http'
}

function chooseTransport<AuthOptions>(
  { path, keys, common }: ServerEntry,
  settings: OpenSettings,
  { options: { transports }, folder }: ServerBuild<AuthOptions>,
): Choice {
  const type = transportOf(keys, common.transport)
  const understood = keysOf(transports, known(type, transports, [...path, 'transport']))
  const own = pick(settings, understood)
  return { type, settings: { ...own, ...placed(own, understood, folder) }, path, fromEnvironment: false }
}

/** LiteLLM's users write `transport: http` beside a document, or leave it to its default. */
function transportOf(keys: ServerEntry['keys'], declared: string | undefined): string {
  const usual = defaultTransport(keys)
  return declared === undefined || (keys.has('spec_path') && /^(?:http|sse)$/.test(declared)) ? usual : declared
}

/** Relative paths mean the folder of the file they are written in, wherever the gateway was started. */
function placed(own: OpenSettings, understood: readonly string[], folder: string): OpenSettings {
  const { cwd = '.', spec_path: spec } = own
  return {
    ...(understood.includes('cwd') && typeof cwd === 'string' && { cwd: resolve(folder, cwd) }),
    ...(typeof spec === 'string' && !/^https?:/i.test(spec) && { spec_path: resolve(folder, spec) }),
  }
}

function bind<Options, Product>(plugs: PlugRegistry<Options, Product>, choice: Choice, options: Options): Product {
  const bound = plugs.get(choice.type)?.bind(choice.settings)
  if (bound?.ok === true) return bound.create(options)
  const issue = bound?.issues[0]
  if (issue === undefined) throw new Unusable(choice.path, `${choice.type} cannot be built`)
  throw new Unusable([...choice.path, ...pathOf(issue)], explainIssue(issue, choice.settings))
}

/** Settings of plugs that were not chosen: written by someone who expects them to matter. */
function noteUnused<AuthOptions>(
  { path, keys }: ServerEntry,
  choices: readonly Choice[],
  { options: { transports, authMethods }, notice }: ServerBuild<AuthOptions>,
): void {
  const used = new Set([...keysOf(transports, choices[0]?.type ?? ''), ...keysOf(authMethods, choices[1]?.type ?? '')])
  const why = `is not used by transport ${choices[0]?.type} with auth_type ${choices[1]?.type}`
  for (const key of new Set([...allKeys(transports), ...allKeys(authMethods)])) {
    if (keys.has(key) && !used.has(key)) notice('warning', [...path, key], why)
  }
}

const connectMs = 10_000
const handshakeMs = 30_000
const callTotalMs = 600_000

function toTimeouts(
  ownCallMs: number | undefined,
  { callTimeoutMs, listTimeoutMs }: ServerBuild<unknown>['environment'],
): ServerTimeouts {
  const callMs = ownCallMs ?? callTimeoutMs
  return { connectMs, handshakeMs, listMs: listTimeoutMs, callMs, callTotalMs: Math.max(callTotalMs, callMs) }
}
