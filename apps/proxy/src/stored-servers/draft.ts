/**
 * What a request makes of a server: of nothing, or of the one that is stored. What was left out stays, null clears, and a
 * placeholder stands for the secret that is stored in its place. A secret never follows to another address. Pure.
 */
import { invalidRequest } from '@toolgate/auth'
import { isJsonObject } from '@toolgate/core'
import type { ServerNames } from './names.ts'
import type { OpenedServer } from './sealed-rows.ts'
import { joinSecrets, partKey, type SecretPart, separateSecrets, type Settings } from './secrets.ts'
import { dialledPaths, requestField, secrecyOf } from './server-fields.ts'
import type { ServerRequest } from './server-request.ts'

export interface ServerDraft {
  readonly names: ServerNames
  /** With its secrets in place, to be built. */
  readonly complete: Settings
  /** Without, to be stored and shown. */
  readonly settings: Settings
  readonly secrets: readonly SecretPart[]
}

/** `stored` without secrets is one that cannot be opened: whoever changes it gives them anew. */
export type Stored = Pick<OpenedServer, 'name' | 'alias' | 'settings' | 'secrets'>

const nothing: Stored = { name: '', alias: null, settings: {}, secrets: new Map() }

/** Throws `INVALID_REQUEST` where a placeholder stands for nothing, or a kept secret would go to another address. */
export function draftOf(id: string, request: ServerRequest, stored: Stored = nothing): ServerDraft {
  const given = { ...stored.settings, ...request.settings }
  const said = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null))
  const { settings, secrets: parts } = separateSecrets(said)
  const secrets = parts.map((part) => (part.isPlaceholder ? keptPart(part, stored) : part))
  const alias = request.alias === undefined ? stored.alias : request.alias
  const name = request.name === undefined && stored.name !== '' ? stored.name : (request.name ?? alias ?? id)
  const complete = joinSecrets(settings, new Map(secrets.map(({ path, value }) => [partKey(path), value])))
  const kept = parts.filter(({ path, isPlaceholder }) => isPlaceholder || !isGiven(path, request))
  refuseMoved(kept, stored.settings, complete)
  return { names: { id, name, alias }, complete, settings, secrets }
}

function isGiven([field = '']: SecretPart['path'], { settings }: ServerRequest): boolean {
  return Object.hasOwn(settings, field)
}

function keptPart(part: SecretPart, { secrets }: Stored): SecretPart {
  const { path, meant, shown } = part
  if (meant === undefined) {
    const message = 'A placeholder in a list says which value it stands for, as it was shown: [redacted:0].'
    throw invalidRequest([{ path: [...path], message, code: 'missing' }])
  }
  const value = secrets.get(partKey(meant))
  if (value !== undefined && showsAs(value, part)) return { ...part, value, shown, isPlaceholder: false }
  const message = 'A placeholder stands for a stored value, and none can be read here. Give the value.'
  throw invalidRequest([{ path: [...path], message, code: 'missing' }])
}

/** The public part of an address says which one is meant: with another origin it is another address, without its secret. */
function showsAs(value: SecretPart['value'], { path, shown }: SecretPart): boolean {
  if (!isAddress(path)) return true
  const [key = ''] = path.slice(-1)
  return separateSecrets({ [key]: value }).secrets.some((part) => part.shown === shown)
}

/** Whoever may change an address must not learn by it the secrets that somebody else has stored. */
function refuseMoved(kept: readonly SecretPart[], before: Settings, after: Settings): void {
  const moved = [
    ...dialledPaths.filter((path) => isNew(originOf(at(before, path)), originOf(at(after, path)))),
    ...(isNew(before['command'], after['command']) ? [['command']] : []),
  ]
  const [cause] = moved
  // An address is not sent to another one. Of a list or map the whole is named: what is left out of it is removed.
  const fields = new Set(kept.flatMap(({ path }) => (isAddress(path) ? [] : [requestField(String(path[0]))])))
  if (cause === undefined || fields.size === 0) return
  const message = `${cause.join('.')} leads somewhere else now: the stored secrets are not sent there. Give this one anew, or clear it with null.`
  throw invalidRequest([...fields].map((field) => ({ path: field.split('.'), message, code: 'secret_required' })))
}

function isNew(before: unknown, after: unknown): boolean {
  return after !== undefined && after !== before
}

function at(settings: Settings, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, part) => (isJsonObject(value) ? value[part] : undefined), settings)
}

function originOf(address: unknown): unknown {
  return typeof address === 'string' ? (URL.parse(address)?.origin ?? address) : undefined
}

function isAddress(path: SecretPart['path']): boolean {
  return secrecyOf(String(path.at(-1))) === 'address' && (path.length === 1 || secrecyOf(String(path[0])) === 'nested')
}
