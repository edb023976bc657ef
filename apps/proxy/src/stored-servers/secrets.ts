/**
 * Which parts of a stored server are secret. Closed by default: a text is sealed unless its key is listed here as plain, so
 * the setting of a method that is added later is sealed until somebody says otherwise. What stands in a secret's place is
 * `[redacted]`, and sending that back means "as it is".
 */
import { isJsonObject } from '@toolgate/core'

/** A server's settings in the words of the configuration file. */
export type Settings = Readonly<Record<string, unknown>>

export interface SeparatedSettings {
  /** With a placeholder where a secret was. */
  readonly settings: Settings
  readonly secrets: readonly SecretPart[]
}

export interface SecretPart {
  readonly path: readonly string[]
  readonly value: string
  /** The value is the placeholder itself: who wrote it means the value that is stored. */
  readonly isPlaceholder: boolean
}

const placeholder = '[redacted]'

const plainKeys = new Set(
  `description mcp_info transport auth_type extra_headers access_groups allow_all_keys allowed_tools disallowed_tools
  allowed_params require_approval allow_sampling allow_elicitation isolation prefix timeout command client_id oauth2_flow
  scopes audience resource token_endpoint_auth_method instructions source_url available_on_public_internet
  max_concurrent_requests tool_name_to_display_name tool_name_to_description subject_token_type token_exchange_profile
  allowed_response_headers cookie_names`.split(/\s+/),
)

/** Public as long as they have neither user info nor a query, which may hold a key. */
const addressKeys = new Set(
  'url token_url authorization_url registration_url issuer token_exchange_endpoint'.split(' '),
)

/** Maps and lists whose own keys follow the same rules; every text in any other one is a secret. */
const nestedKeys = new Set(['auth', 'discovery_auth', 'env_vars'])
const plainInEnvVars = new Set(['name', 'scope', 'description'])

/** Separates a server's settings from its secrets. */
export function separateSecrets(settings: Settings): SeparatedSettings {
  const secrets: SecretPart[] = []
  const seal = (value: string, path: readonly string[], shown: string): string => {
    secrets.push({ path, value, isPlaceholder: value === shown })
    return shown
  }

  const closed = (value: unknown, path: readonly string[]): unknown => {
    if (typeof value === 'string') return seal(value, path, placeholder)
    return mapParts(value, path, closed)
  }
  const byKey = (value: unknown, path: readonly string[]): unknown => {
    const [first = ''] = path
    const key = path.findLast((part) => !/^\d+$/.test(part)) ?? ''
    if (plainKeys.has(key) || (first === 'env_vars' && plainInEnvVars.has(key))) return value
    if (addressKeys.has(key) && typeof value === 'string') {
      const shown = publicAddress(value)
      return shown === value && !value.endsWith(placeholder) ? value : seal(value, path, shown)
    }
    return nestedKeys.has(first) && typeof value === 'object' ? mapParts(value, path, byKey) : closed(value, path)
  }
  return {
    settings: Object.fromEntries(Object.entries(settings).map(([key, value]) => [key, byKey(value, [key])])),
    secrets,
  }
}

/** The settings as they were before {@link separateSecrets}. Parts without a secret stay as they are. */
export function joinSecrets(settings: Settings, secrets: ReadonlyMap<string, string>): Settings {
  const join = (value: unknown, path: readonly string[]): unknown =>
    typeof value === 'string' ? (secrets.get(partKey(path)) ?? value) : mapParts(value, path, join)
  return Object.fromEntries(Object.entries(settings).map(([key, value]) => [key, join(value, [key])]))
}

/** A part's path as the key of a map. */
export function partKey(path: readonly string[]): string {
  return JSON.stringify(path)
}

type Visit = (value: unknown, path: readonly string[]) => unknown

function mapParts(value: unknown, path: readonly string[], visit: Visit): unknown {
  if (Array.isArray(value)) return value.map((item, index) => visit(item, [...path, String(index)]))
  if (!isJsonObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, visit(item, [...path, key])]))
}

/** Without what may be a credential; a text that is no address is all of it. */
function publicAddress(text: string): string {
  const url = URL.parse(text)
  if (url === null) return placeholder
  const isPlain = url.username === '' && url.password === '' && url.search === '' && url.hash === ''
  return isPlain ? text : `${url.origin}${url.pathname}?${placeholder}`
}
