/**
 * From entries of the file to servers that can be reached: each plug gets the keys it understands and nothing else. A
 * server that cannot be built is left out with its reason and never keeps another one from starting.
 */
import { createHash, createHmac, randomBytes } from 'node:crypto'
import { resolve } from 'node:path'
import type { PlugRegistry, Secret, ServerTimeouts, UpstreamAuth } from '@toolgate/core'
import type { ManagedServer, TransportOptions, UpstreamTransport } from '@toolgate/manager'
import type { Environment } from './env.ts'
import { type EnvironmentOAuth2, environmentOAuth2 } from './environment-oauth2.ts'
import { explainIssue } from './explain.ts'
import type { LoadedConfig } from './load.ts'
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
import type { ServerEntry } from './server-entry.ts'

export interface ServerOptions<AuthOptions> {
  readonly transports: PlugRegistry<TransportOptions, UpstreamTransport>
  readonly authMethods: PlugRegistry<AuthOptions, UpstreamAuth>
  readonly transportOptions: TransportOptions
  /** Made for each server, so that what its authentication has to say is filed under its path. */
  authOptions(report: (level: NoticeLevel, message: string) => void): AuthOptions
  /** Hex SHA-256 of a virtual key, as keys are stored. */
  hashKey(key: Secret): string
  /** From {@link createDigest}, made once: a reload must see equal entries as equal. */
  digest(text: string): string
}

export interface ServerDefinitions {
  readonly servers: readonly ManagedServer[]
  /** Servers left out, and why. */
  readonly problems: readonly Finding[]
  /** What loads but deserves a word, among it who receives the environment's token. */
  readonly notices: readonly Notice[]
}

/** `warning`: something was written that does not do what it says. */
export interface Notice extends Finding {
  readonly level: NoticeLevel
}

type NoticeLevel = 'info' | 'warning'

/** A keyed digest that is useless outside this process, so a revision tells nothing about the secrets behind it. */
export function createDigest(key: Uint8Array = randomBytes(32)): (text: string) => string {
  return (text) => createHmac('sha256', key).update(text).digest('base64url')
}

/**
 * The id of a server of the file: from its name alone, so that a changed address, credential or alias keeps its
 * grants. `server_id` in the entry wins over it.
 */
export function serverId(name: string): string {
  return createHash('sha256').update(`config-server:${name}`).digest('hex').slice(0, 32)
}

/** Throws only where the environment's OAuth2 settings are incomplete; everything else is a problem of one server. */
export function toServerDefinitions<AuthOptions>(
  { config, folder, problems: leftOut }: Pick<LoadedConfig, 'config' | 'folder' | 'problems'>,
  environment: Environment,
  options: ServerOptions<AuthOptions>,
): ServerDefinitions {
  const problems = [...leftOut]
  const notices: Notice[] = []
  const shared: Shared<AuthOptions> = {
    options,
    environment,
    folder,
    oauth2: environmentOAuth2(environment),
    aliases: firstAliases(config.aliases),
    notice: (level, path, message) => void notices.push({ level, path, message }),
  }
  const servers = config.servers.flatMap((entry) => {
    try {
      return [toServer(entry, shared)]
    } catch (error) {
      if (!(error instanceof Unusable)) throw error
      // One bad server must not hide the others: it is reported and left out.
      problems.push({ path: error.path, message: error.message })
      return []
    }
  })
  return { servers, problems, notices }
}

interface Shared<AuthOptions> {
  readonly options: ServerOptions<AuthOptions>
  readonly environment: Environment
  readonly folder: string
  readonly oauth2: EnvironmentOAuth2 | undefined
  /** Server name → alias. */
  readonly aliases: ReadonlyMap<string, string>
  notice(level: NoticeLevel, path: ConfigPath, message: string): void
}

/** `mcp_aliases` by server; the first alias of a server counts, as in LiteLLM. */
function firstAliases(aliases: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  return new Map([...aliases].map(([alias, server]) => [server, alias] as const).toReversed())
}

function toServer<AuthOptions>(entry: ServerEntry, shared: Shared<AuthOptions>): ManagedServer {
  const { options, oauth2, aliases, notice } = shared
  const { name, common } = entry
  const settings = openSettings(entry)
  const transportChoice = chooseTransport(entry, settings, shared)
  const authChoice = chooseAuth(entry, settings, { authMethods: options.authMethods, environment: oauth2 })
  const discoveryChoice = chooseDiscoveryAuth(entry, settings, options.authMethods)
  noteUnused(entry, [transportChoice, authChoice], shared)

  const transport = bind(options.transports, transportChoice, options.transportOptions)
  const authFor = (choice: Choice) =>
    bind(
      options.authMethods,
      choice,
      options.authOptions((level, message) => notice(level, choice.path, message)),
    )
  const auth = authFor(authChoice)
  if (authChoice.fromEnvironment)
    notice('info', entry.path, `receives the token of MCP_OAUTH2_TOKEN_URL, at ${transport.address}`)

  const alias = common.alias ?? aliases.get(name)
  const timeouts = toTimeouts(common.timeout, shared.environment)
  return {
    id: common.server_id ?? serverId(name),
    name,
    alias,
    prefix: alias ?? name,
    prefixed: common.prefix ?? true,
    revision: options.digest(
      JSON.stringify([settings, transportChoice.settings, authChoice.type, authChoice.settings, alias, timeouts]),
    ),
    origin: 'config',
    description: common.description,
    info: common.mcp_info,
    transportType: transport.type,
    address: transport.address,
    transport,
    auth,
    discoveryAuth: discoveryChoice && authFor(discoveryChoice),
    staticHeaders: new Map(Object.entries(common.static_headers)),
    extraHeaders: new Set(common.extra_headers),
    cookieNames: new Set(entry.cookieNames),
    accessGroups: new Set(common.access_groups),
    allowAllKeys: common.allow_all_keys,
    grantedKeyHashes: new Set(common.api_keys.map((key) => options.hashKey(key))),
    allowedTools: common.allowed_tools && new Set(common.allowed_tools),
    disallowedTools: new Set(common.disallowed_tools),
    allowedParams: new Map(Object.entries(common.allowed_params).map(([tool, names]) => [tool, new Set(names)])),
    requireApproval: entry.requireApproval,
    allowSampling: common.allow_sampling,
    allowElicitation: common.allow_elicitation,
    isolation: common.isolation,
    timeouts,
  }
}

function openSettings({ settings }: ServerEntry): OpenSettings {
  const open: unknown = JSON.parse(settings.reveal())
  return typeof open === 'object' && open !== null ? { ...open } : {}
}

function chooseTransport<AuthOptions>(
  { path, keys, common }: ServerEntry,
  settings: OpenSettings,
  { options: { transports }, folder }: Shared<AuthOptions>,
): Choice {
  if (keys.has('spec_path') && !allKeys(transports).includes('spec_path')) {
    throw new Unusable([...path, 'spec_path'], 'is not supported by this version: OpenAPI servers cannot be reached')
  }
  const type = common.transport ?? (keys.has('command') && !keys.has('url') ? 'stdio' : 'http')
  const understood = keysOf(transports, known(type, transports, [...path, 'transport']))
  const own = pick(settings, understood)
  // A command's relative paths mean the folder of the file they are written in, wherever the gateway was started.
  const { cwd = '.' } = own
  const placed = understood.includes('cwd') && typeof cwd === 'string' ? { cwd: resolve(folder, cwd) } : {}
  return { type, settings: { ...own, ...placed }, path, fromEnvironment: false }
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
  { options: { transports, authMethods }, notice }: Shared<AuthOptions>,
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

function toTimeouts(ownCallMs: number | undefined, { callTimeoutMs, listTimeoutMs }: Environment): ServerTimeouts {
  const callMs = ownCallMs ?? callTimeoutMs
  return { connectMs, handshakeMs, listMs: listTimeoutMs, callMs, callTotalMs: Math.max(callTotalMs, callMs) }
}
