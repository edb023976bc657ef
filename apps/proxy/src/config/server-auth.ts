/**
 * Which authentication a server of the file gets, and with which settings: `auth_type` and its keys, the `auth.oauth2`
 * block, the environment's token, or none.
 */
import { isJsonObject, nearestName } from '@toolgate/core'
import { declaresAuth, type EnvironmentOAuth2 } from './environment-oauth2.ts'
import type { ConfigPath } from './report.ts'
import { allKeys, type PlugKeys } from './server-auth-block.ts'
import type { ServerEntry } from './server-entry.ts'

export type OpenSettings = Readonly<Record<string, unknown>>

/** A plug's name, the settings for it, and where they stand in the file. */
export interface Choice {
  readonly type: string
  readonly settings: OpenSettings
  readonly path: ConfigPath
  /** The settings are the environment's, not the entry's. */
  readonly fromEnvironment: boolean
}

/** Why a server cannot be used; ends in quarantine, not in a failed start. */
export class Unusable extends Error {
  override readonly name = 'Unusable'
  readonly path: ConfigPath

  constructor(path: ConfigPath, message: string) {
    super(message)
    this.path = path
  }
}

export interface AuthSources {
  readonly authMethods: PlugKeys
  readonly environment: EnvironmentOAuth2 | undefined
}

/** Throws {@link Unusable} where the entry contradicts itself or names a method that does not exist. */
export function chooseAuth(entry: ServerEntry, settings: OpenSettings, sources: AuthSources): Choice {
  const { authMethods, environment } = sources
  const block = isJsonObject(settings['auth']) ? settings['auth']['oauth2'] : undefined
  const declared = entry.common.auth_type
  if (relaysSignIn(entry)) return chooseRelay(entry, settings, sources)
  if (isJsonObject(block)) {
    if (declared !== undefined && declared !== 'oauth2') {
      throw new Unusable([...entry.path, 'auth_type'], 'must be oauth2 or absent beside auth.oauth2')
    }
    const own = pick(settings, declared === undefined ? [] : keysOf(authMethods, 'oauth2'))
    return choice('oauth2', { ...own, ...withoutNull(block) }, [...entry.path, 'auth', 'oauth2'])
  }
  if (declared !== undefined) {
    const type = known(declared, authMethods, [...entry.path, 'auth_type'])
    return choice(type, pick(settings, keysOf(authMethods, type)), entry.path)
  }
  if (environment !== undefined && !declaresAuth(entry, allKeys(authMethods)) && isAllowed(settings, environment)) {
    return { ...choice('oauth2', environment.settings, entry.path), fromEnvironment: true }
  }
  return choice('none', {}, entry.path)
}

/** LiteLLM's two flags: clients sign in at the server's own authorization server, and hold what they get. */
function relaysSignIn({ common }: ServerEntry): boolean {
  return common.oauth_passthrough || common.delegate_auth_to_upstream
}

const relayed = 'oauth_delegate'
const relayable: ReadonlySet<string> = new Set(['none', 'oauth2', relayed, 'true_passthrough'])

/** With either of them callers bring the server's token, whatever kind of OAuth the entry says beside it. */
function chooseRelay(entry: ServerEntry, settings: OpenSettings, { authMethods }: AuthSources): Choice {
  const { auth_type: declared = relayed, oauth_passthrough: passes } = entry.common
  const flag = passes ? 'oauth_passthrough' : 'delegate_auth_to_upstream'
  if (!relayable.has(declared) || settings['oauth2_flow'] === 'client_credentials') {
    const path = [...entry.path, flag]
    throw new Unusable(path, 'has callers bring a token of their own, and the entry has the gateway present one')
  }
  const type = declared === 'true_passthrough' ? declared : relayed
  return choice(type, pick(settings, keysOf(authMethods, type)), entry.path)
}

/** The credential for discovery, where the entry has one of its own. */
export function chooseDiscoveryAuth(
  entry: ServerEntry,
  settings: OpenSettings,
  authMethods: PlugKeys,
): Choice | undefined {
  const block = settings['discovery_auth']
  if (!isJsonObject(block)) return undefined
  const path = [...entry.path, 'discovery_auth']
  const declared = block['auth_type']
  const type = known(typeof declared === 'string' ? declared : '', authMethods, [...path, 'auth_type'])
  return choice(type, pick(withoutNull(block), keysOf(authMethods, type)), path)
}

/** `type` if such a plug exists; throws {@link Unusable} with the nearest one. */
export function known(type: string, plugs: PlugKeys, path: ConfigPath): string {
  if (plugs.get(type) !== undefined) return type
  if (laterMethods.has(type)) throw new Unusable(path, `${type} is not supported by this version`)
  const suggestion = nearestName(type, plugs.types)
  const hint = suggestion === undefined ? '' : ` (did you mean ${suggestion}?)`
  throw new Unusable(path, `must be one of ${plugs.types.join(', ')}${hint}`)
}

/** LiteLLM's methods that have no plug here: worth a clearer word than "unknown". */
const laterMethods: ReadonlySet<string> = new Set(['oauth2_id_jag'])

export function keysOf(plugs: PlugKeys, type: string): readonly string[] {
  return plugs.get(type)?.keys ?? []
}

export function pick(settings: OpenSettings, keys: readonly string[]): OpenSettings {
  return Object.fromEntries(Object.entries(settings).filter(([key]) => keys.includes(key)))
}

function withoutNull(settings: OpenSettings): OpenSettings {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== null))
}

function choice(type: string, settings: OpenSettings, path: ConfigPath): Choice {
  return { type, settings, path, fromEnvironment: false }
}

/** Only a server with an address can take a bearer token. */
function isAllowed({ url }: OpenSettings, environment: EnvironmentOAuth2): boolean {
  const address = typeof url === 'string' ? URL.parse(url) : null
  return address !== null && environment.allows(address)
}
