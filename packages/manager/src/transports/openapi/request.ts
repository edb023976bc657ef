import { isJsonObject, type JsonObject, type JsonValue, type OutboundRequest, type Secret } from '@toolgate/core'
import type { CredentialHeaders } from '../http/refusal.ts'
import { ArgumentsRefused } from './arguments-refused.ts'
import { type EncodedBody, encodeBody } from './body.ts'
import { isHeaderValue } from './header-parameters.ts'
import type { ApiKeyPlace, ApiTool } from './operations.ts'
import type { Parameter } from './parameters.ts'
import { inCookie, inHeader, inPath, inQuery } from './styles.ts'

export type ApiRequest = Pick<OutboundRequest, 'url' | 'method' | 'headers' | 'body'>

export interface ApiCall {
  readonly tool: ApiTool
  readonly base: URL
  readonly given: JsonObject
  readonly credential: CredentialHeaders
}

/** Names of arguments that a message lists. */
const maxNamed = 10

/**
 * The HTTP request of one call. The arguments fill the places that the document has for them and no others: they cannot leave
 * their segment of the path, end a header, or touch what the credential says. Throws `ArgumentsRefused`.
 */
export async function requestOf({ tool, base, given, credential }: ApiCall): Promise<ApiRequest> {
  checkNames(tool, given)
  const filled = tool.parameters.flatMap((parameter): Filled[] => {
    const value = Object.hasOwn(given, parameter.argument) ? given[parameter.argument] : undefined
    return value === undefined || (value === null && !parameter.required) ? [] : [{ parameter, value }]
  })
  const { headers: presented, key } = placedKey(tool.apiKey, credential)
  const body = tool.body && Object.hasOwn(given, tool.body.argument) ? given[tool.body.argument] : undefined
  const encoded = tool.body && body !== undefined ? await encodeBody(tool.body, body) : undefined
  return {
    url: addressOf({ tool, base, filled, key }),
    method: tool.method,
    headers: headersOf({ filled, presented, key, encoded }),
    body: encoded?.bytes,
  }
}

interface Filled {
  readonly parameter: Parameter
  readonly value: JsonValue
}

interface Key extends ApiKeyPlace {
  readonly value: Secret
}

function checkNames({ parameters, body }: ApiTool, given: JsonObject): void {
  const all = [...parameters, ...(body === undefined ? [] : [body])]
  const missing = all.filter(({ required, argument }) => required && !Object.hasOwn(given, argument))
  if (missing.length > 0) throw new ArgumentsRefused(`${listed(missing.map(({ argument }) => argument))} must be given`)
  const known = new Set(all.map(({ argument }) => argument))
  const unknown = Object.keys(given).filter((name) => !known.has(name))
  if (unknown.length > 0)
    throw new ArgumentsRefused(`${listed(unknown)} is not known here; there is ${listed([...known]) || 'none'}`)
}

function listed(names: readonly string[]): string {
  return names
    .slice(0, maxNamed)
    .map((name) => JSON.stringify(name))
    .join(', ')
}

/** The gateway's `X-API-Key` goes where the document says that its API wants the key. */
function placedKey(
  place: ApiKeyPlace | undefined,
  credential: CredentialHeaders,
): { headers: CredentialHeaders; key: Key | undefined } {
  const value = credential.get('x-api-key')
  if (place === undefined || value === undefined || (place.in === 'header' && credential.has(place.name))) {
    return { headers: credential, key: undefined }
  }
  return { headers: new Map([...credential].filter(([name]) => name !== 'x-api-key')), key: { ...place, value } }
}

function addressOf({
  tool,
  base,
  filled,
  key,
}: {
  tool: ApiTool
  base: URL
  filled: readonly Filled[]
  key: Key | undefined
}): string {
  const path = tool.path.replaceAll(/\{([^{}]+)\}|[^{}]+/g, (text, name: string | undefined) =>
    name === undefined ? encodeLiteral(text) : segmentOf(name, filled),
  )
  const whole = `${base.pathname.replace(/\/+$/, '')}${path}`
  if (whole.split('/').some((segment) => /^(?:\.|%2e){1,2}$/i.test(segment))) {
    throw new ArgumentsRefused('a part of the path must not be "." or ".."')
  }
  const own = key?.in === 'query' ? [`${encodeURIComponent(key.name)}=${encodeURIComponent(key.value.reveal())}`] : []
  const credentialNames = new Set([...base.searchParams.keys(), ...(key?.in === 'query' ? [key.name] : [])])
  const written = ofPlace(filled, 'query').flatMap(({ parameter, value }) => inQuery(parameter, value))
  const free = written.filter((pair) => !credentialNames.has(nameIn(pair)))
  const query = [...free, ...(base.search.length > 1 ? [base.search.slice(1)] : []), ...own].join('&')
  return `${base.origin}${whole}${query === '' ? '' : `?${query}`}`
}

function segmentOf(name: string, filled: readonly Filled[]): string {
  const found = ofPlace(filled, 'path').find(({ parameter }) => parameter.name === name)
  const text = found === undefined ? '' : inPath(found.parameter, found.value)
  if (text === '') throw new ArgumentsRefused(`"${found?.parameter.argument ?? name}" must not be empty`)
  return text
}

/** What the document writes between its parameters, as a URL takes it. */
function encodeLiteral(text: string): string {
  return text.replaceAll(/[^\w\-.~!$&'()*+,;=:@/%]/g, encodeURIComponent)
}

/** A name as it arrives: an object that is spread out could otherwise say what only the credential may. */
function nameIn(pair: string): string {
  const [name = ''] = new URLSearchParams(pair).keys()
  return name
}

function headersOf({
  filled,
  presented,
  key,
  encoded,
}: {
  filled: readonly Filled[]
  presented: CredentialHeaders
  key: Key | undefined
  encoded: EncodedBody | undefined
}): Record<string, string> {
  const headers: Record<string, string> = { accept: 'application/json, */*;q=0.5' }
  for (const { parameter, value } of ofPlace(filled, 'header')) {
    const text = inHeader(parameter, value)
    if (!isHeaderValue(text))
      throw new ArgumentsRefused(`"${parameter.argument}" holds a character that no header can carry`)
    headers[parameter.name.toLowerCase()] = text
  }
  const cookies = ofPlace(filled, 'cookie').flatMap(({ parameter, value }) => inCookie(parameter, value))
  // The credential's come last and win.
  for (const [name, value] of presented) headers[name] = value.reveal()
  if (key?.in === 'header') headers[key.name] = key.value.reveal()
  const secretCookies = [
    ...(headers['cookie'] === undefined ? [] : [headers['cookie']]),
    ...(key?.in === 'cookie' ? [`${key.name}=${encodeURIComponent(key.value.reveal())}`] : []),
  ]
  const names = new Set(secretCookies.flatMap((text) => text.split(/;\s*/)).map((pair) => pair.split('=')[0]))
  const all = [...cookies.filter((pair) => !names.has(pair.split('=')[0])), ...secretCookies]
  if (all.length > 0) headers['cookie'] = all.join('; ')
  if (encoded !== undefined) headers['content-type'] = encoded.contentType
  return headers
}

function ofPlace(filled: readonly Filled[], place: Parameter['place']): readonly Filled[] {
  return filled.filter(({ parameter }) => parameter.place === place)
}

/** The arguments of a `tools/call`. */
export function argumentsOf(params: JsonObject): JsonObject {
  const { arguments: given = {} } = params
  if (!isJsonObject(given)) throw new ArgumentsRefused('"arguments" must be an object')
  return given
}
