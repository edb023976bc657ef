/**
 * Which parts of a stored server are secret: `server-fields.ts` says which are not. What stands in a secret's place is
 * `[redacted]`, in a list `[redacted:2]` with its place there, and sending that back means "as it is", also after others of
 * the list were taken out.
 */
import { isJsonObject } from '@toolgate/core'
import { secrecyOf } from './server-fields.ts'

/** A server's settings in the words of the configuration file. */
export type Settings = Readonly<Record<string, unknown>>

/** Numbers are places in lists. */
export type SecretPath = readonly (string | number)[]

/** What can be sealed. A number may be a secret as well. */
export type SecretValue = string | number | boolean

export interface SeparatedSettings {
  /** With a placeholder where a secret was. */
  readonly settings: Settings
  readonly secrets: readonly SecretPart[]
}

export interface SecretPart {
  readonly path: SecretPath
  readonly value: SecretValue
  /** What stands in its place. */
  readonly shown: string
  /** The value is a placeholder: who wrote it means the value that is stored. */
  readonly isPlaceholder: boolean
  /** Where the value is stored that the placeholder means; undefined where it does not say which of a list. */
  readonly meant: SecretPath | undefined
}

const placeholder = '[redacted]'
const written = /^\[redacted(?::(?<places>\d+(?:\.\d+)*))?\]$/
const plainInEnvVars = new Set(['name', 'scope', 'description'])

/** Separates a server's settings from its secrets. */
export function separateSecrets(settings: Settings): SeparatedSettings {
  const secrets: SecretPart[] = []
  const closed = (value: unknown, path: SecretPath): unknown => {
    if (!isSecretValue(value)) return mapParts(value, path, closed)
    const match = typeof value === 'string' ? written.exec(value) : null
    const meant = match === null ? path : placesIn(path, match.groups?.['places'])
    const shown = placeholderAt(path)
    secrets.push({ path, value, shown, isPlaceholder: match !== null, meant })
    return shown
  }
  const address = (value: string, path: SecretPath): unknown => {
    const shown = publicAddress(value)
    if (shown === value && !value.endsWith(placeholder)) return value
    secrets.push({ path, value, shown, isPlaceholder: value === shown, meant: path })
    return shown
  }
  const byKey = (value: unknown, path: SecretPath): unknown => {
    const [first] = path
    const key = path.findLast((part) => typeof part === 'string') ?? ''
    const secrecy = first === 'env_vars' && plainInEnvVars.has(key) ? 'plain' : secrecyOf(key)
    if (secrecy === 'plain') return value
    if (secrecy === 'address' && typeof value === 'string') return address(value, path)
    return secrecyOf(String(first)) === 'nested' && !isSecretValue(value)
      ? mapParts(value, path, byKey)
      : closed(value, path)
  }
  return {
    settings: Object.fromEntries(Object.entries(settings).map(([key, value]) => [key, byKey(value, [key])])),
    secrets,
  }
}

/** The settings as they were before {@link separateSecrets}. Parts without a secret stay as they are. */
export function joinSecrets(settings: Settings, secrets: ReadonlyMap<string, SecretValue>): Settings {
  const join = (value: unknown, path: SecretPath): unknown =>
    typeof value === 'string' ? (secrets.get(partKey(path)) ?? value) : mapParts(value, path, join)
  return Object.fromEntries(Object.entries(settings).map(([key, value]) => [key, join(value, [key])]))
}

/** A part's path as the key of a map. */
export function partKey(path: SecretPath): string {
  return JSON.stringify(path.map(String))
}

export function isSecretValue(value: unknown): value is SecretValue {
  return ['string', 'number', 'boolean'].includes(typeof value)
}

type Visit = (value: unknown, path: SecretPath) => unknown

function mapParts(value: unknown, path: SecretPath, visit: Visit): unknown {
  if (Array.isArray(value)) return value.map((item, index) => visit(item, [...path, index]))
  if (!isJsonObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, visit(item, [...path, key])]))
}

function placeholderAt(path: SecretPath): string {
  const places = path.filter((part) => typeof part === 'number')
  return places.length === 0 ? placeholder : `[redacted:${places.join('.')}]`
}

/** The path with the places that a placeholder names. */
function placesIn(path: SecretPath, named: string | undefined): SecretPath | undefined {
  const places = named?.split('.').map(Number) ?? []
  if (places.length !== path.filter((part) => typeof part === 'number').length) return undefined
  let next = 0
  return path.map((part) => (typeof part === 'number' ? (places[next++] ?? part) : part))
}

/** Without what may be a credential; a text that is no address is all of it. */
function publicAddress(text: string): string {
  const url = URL.parse(text)
  if (url === null) return placeholder
  const isPlain = url.username === '' && url.password === '' && url.search === '' && url.hash === ''
  return isPlain ? text : `${url.origin}${url.pathname}?${placeholder}`
}
