/**
 * What a request presents: the credential that is meant for the gateway, and what it brought for upstreams. The one file
 * that knows the names of credential headers. It decides whose a header is, never whether a credential is good; and it
 * sees to it that the gateway's own key is in nothing that may be forwarded, wherever else the caller put it.
 */
import { type Forwarded, GatewayError, Secret } from '@toolgate/core'
import { single } from '../oauth/authorization-request.ts'
import type { PresentedClient } from '../oauth/clients.ts'
import { oauthError } from '../oauth/oauth-error.ts'
import { isForwardableHeader } from '../upstream/header-names.ts'
import { carries } from './carries.ts'
import { cookiesIn } from './cookies.ts'

/** Anything that lists headers: `Headers`, a map, entries. Names in any case. */
export type HeaderList = Iterable<readonly [name: string, value: string]>

export interface HeaderNames {
  /** `general_settings.litellm_key_header_name`. */
  readonly keyHeaderName?: string | undefined
  /** LiteLLM's renameable `x-mcp-auth`. */
  readonly legacyAuthHeaderName?: string | undefined
  /** Keys of the gateway that travel nowhere, also where another key is the one that counts. */
  readonly neverForwarded?: readonly Secret[] | undefined
}

export interface Presented {
  /** Without its `Bearer`. */
  readonly credential: Secret | undefined
  /** The name of the header that held it. */
  readonly credentialHeader: string | undefined
  readonly forwarded: Forwarded
}

/** The header that is meant for nobody but the gateway; what documents and examples name. */
export const gatewayKeyHeader = 'x-litellm-api-key'

/** Ours alone: where one of them is there, every other header is the caller's. */
const gatewayHeaders = [gatewayKeyHeader, 'x-litellm-key']
/** Ours where no header before them is there, else the caller's for an upstream. In this order. */
const sharedHeaders = ['authorization', 'api-key', 'x-api-key', 'x-goog-api-key']

/** The sign-in page knows a browser by it. Ours alone, also where a server is to have all cookies. */
export const gatewayCookie = 'toolgate-browser'
const ownCookies = new Set([gatewayCookie, `__Host-${gatewayCookie}`, `__Secure-${gatewayCookie}`])

/** The headers of a request to Google's dialect: its clients may put their key into the query (`?key=`). */
export function* withKeyOfQuery(list: HeaderList, key: string | undefined): Generator<readonly [string, string]> {
  yield* list
  if (key !== undefined) yield ['x-goog-api-key', key]
}

const defaultLegacyAuthHeader = 'x-mcp-auth'
const serverHeaderPrefix = 'x-mcp-'
/** `x-mcp-…` headers that speak to the gateway and belong to no server. */
const reservedServerHeaders = ['x-mcp-servers', 'x-mcp-auth', 'x-mcp-access-groups', 'x-mcp-toolset-id']

/** Throws `CREDENTIAL_CONFLICT` where two headers that are only ours hold different keys. */
export function readPresented(list: HeaderList, names: HeaderNames = {}): Presented {
  const headers = lowerCased(list)
  const found = ownCredential(headers, names)
  if (found !== undefined) headers.delete(found.name)
  const credential = found === undefined ? undefined : new Secret(found.value)
  return { credential, credentialHeader: found?.name, forwarded: setAside(headers, { credential, names }) }
}

/**
 * Adds the `headers` of a chat request's `tools` entry, which win over the request's own. Headers for the gateway are
 * ignored in there: who calls is settled.
 */
export function mergeForwarded(
  forwarded: Forwarded,
  headers: Readonly<Record<string, string>>,
  context: HeaderNames & { readonly credential: Secret | undefined },
): Forwarded {
  const more = setAside(lowerCased(Object.entries(headers)), { credential: context.credential, names: context })
  return {
    authorization: more.authorization ?? forwarded.authorization,
    legacyAuth: more.legacyAuth ?? forwarded.legacyAuth,
    serverHeaders: new Map([...forwarded.serverHeaders, ...more.serverHeaders]),
    headers: new Map([...forwarded.headers, ...more.headers]),
    cookies: new Map([...forwarded.cookies, ...more.cookies]),
  }
}

/**
 * Which client of our authorization server a form is from: `Basic`, else what stands in the form (RFC 6749 §2.3.1). Throws for both
 * at once, in words upon which no client throws its registration away (§5.2).
 */
export function presentedClient(list: HeaderList, form: URLSearchParams): PresentedClient {
  const inForm = { id: single(form, 'client_id'), secret: secretIn(single(form, 'client_secret')) }
  const [, encoded] = /^basic\s+([\w+/=-]+)$/i.exec(lowerCased(list).get('authorization')?.trim() ?? '') ?? []
  if (encoded === undefined) return inForm
  const [id = '', ...secret] = Buffer.from(encoded, 'base64').toString('utf8').split(':')
  // Both parts are encoded as in a form.
  const [named, shown] = [formDecoded(id), formDecoded(secret.join(':'))]
  const isTwice = inForm.secret !== undefined || (inForm.id !== undefined && inForm.id !== named)
  if (isTwice) throw oauthError('invalid_request', 'The client shows itself in two ways.')
  return { id: named, secret: secretIn(shown) }
}

function secretIn(text: string | undefined): Secret | undefined {
  return text === undefined || text === '' ? undefined : new Secret(text)
}

/** As a value of a form is written: `+` is a space. */
function formDecoded(text: string): string {
  return new URLSearchParams(`value=${text.replaceAll('&', '%26')}`).get('value') ?? ''
}

/**
 * A header sent twice counts as one, joined as RFC 9110 §5.3 has it: two different keys become one that is not valid.
 * Cookies are joined as cookies are (RFC 9113 §8.2.3), else a second header would become part of the first one's value.
 */
function lowerCased(list: HeaderList): Map<string, string> {
  const headers = new Map<string, string>()
  for (const [given, value] of list) {
    const name = given.toLowerCase()
    const before = headers.get(name)
    const separator = name === 'cookie' ? '; ' : ', '
    headers.set(name, before === undefined ? value : `${before}${separator}${value}`)
  }
  return headers
}

function ownHeaders({ keyHeaderName }: HeaderNames): readonly string[] {
  const custom = keyHeaderName?.toLowerCase()
  // Authorization keeps its place: set aside as an upstream's wherever another header holds the key.
  return custom === undefined || custom === 'authorization' ? gatewayHeaders : [custom, ...gatewayHeaders]
}

function ownCredential(headers: ReadonlyMap<string, string>, names: HeaderNames): NamedValue | undefined {
  let first: NamedValue | undefined
  for (const name of ownHeaders(names)) {
    const found = credentialIn(headers, name)
    if (first !== undefined && found !== undefined && found.value !== first.value) {
      throw new GatewayError(
        'CREDENTIAL_CONFLICT',
        `Authentication Error, the headers ${first.name} and ${found.name} hold different keys. Send one of them.`,
      )
    }
    first ??= found
  }
  if (first !== undefined) return first
  for (const name of sharedHeaders) {
    const found = credentialIn(headers, name)
    if (found !== undefined) return found
  }
  return undefined
}

interface NamedValue {
  readonly name: string
  readonly value: string
}

function credentialIn(headers: ReadonlyMap<string, string>, name: string): NamedValue | undefined {
  const text = headers.get(name)?.trim()
  if (text === undefined) return undefined
  const [, scheme, rest] = /^([A-Za-z]+)(?:\s+(.*))?$/.exec(text) ?? []
  const bearer = scheme?.toLowerCase() === 'bearer'
  // Another scheme is not ours: `Basic` and its like are for an upstream.
  if (name === 'authorization' && !bearer && /\s/.test(text)) return undefined
  const value = (bearer ? (rest ?? '') : text).trim()
  return value === '' ? undefined : { name, value }
}

interface Context {
  readonly credential: Secret | undefined
  readonly names: HeaderNames
}

function setAside(given: ReadonlyMap<string, string>, { credential, names }: Context): Forwarded {
  const notForwarded = [...ownHeaders(names), ...listedIn(given.get('connection'))]
  const legacyName = (names.legacyAuthHeaderName ?? defaultLegacyAuthHeader).toLowerCase()
  const own = [credential, ...(names.neverForwarded ?? [])]
  const holdsOwn = (value: string) => own.some((key) => carries(value, key))
  const single: { authorization?: Secret; legacyAuth?: Secret } = {}
  const serverHeaders: [string, Secret][] = []
  const headers: [string, Secret][] = []
  for (const [name, value] of given) {
    const isServers = isServerHeader(name)
    const isKept = isServers || name === 'authorization' || name === legacyName || isForwardableHeader(name)
    if (!isKept || notForwarded.includes(name) || holdsOwn(value)) continue
    const secret = new Secret(value)
    if (name === 'authorization') single.authorization = secret
    if (name === legacyName) single.legacyAuth = secret
    else if (isServers) serverHeaders.push([name.slice(serverHeaderPrefix.length), secret])
    else if (name !== 'authorization') headers.push([name, secret])
  }
  const cookies = cookiesIn(given.get('cookie')).filter(([name, value]) => !ownCookies.has(name) && !holdsOwn(value))
  return { ...single, serverHeaders: mapOf(serverHeaders), headers: mapOf(headers), cookies: mapOf(secrets(cookies)) }
}

function isServerHeader(name: string): boolean {
  return name.startsWith(serverHeaderPrefix) && !reservedServerHeaders.includes(name)
}

function listedIn(header: string | undefined): readonly string[] {
  return header === undefined ? [] : header.split(',').map((name) => name.trim().toLowerCase())
}

function secrets(entries: readonly (readonly [string, string])[]): readonly (readonly [string, Secret])[] {
  return entries.map(([name, value]) => [name, new Secret(value)])
}

const empty: ReadonlyMap<string, Secret> = new Map()

/** Most requests bring nothing, and a map of nothing is not made anew for each. */
function mapOf(entries: readonly (readonly [string, Secret])[]): ReadonlyMap<string, Secret> {
  return entries.length === 0 ? empty : new Map(entries)
}
