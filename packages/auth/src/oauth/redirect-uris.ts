/**
 * Where a browser may be sent with a code: an address that the client registered, to the letter, and that the operator
 * trusts. Anybody may register, so being registered alone says nothing (RFC 9700 §4.1). Pure.
 */

export interface TrustedRedirects {
  /** `MCP_TRUSTED_REDIRECT_ORIGINS`: `host`, `host:port` or `*.suffix`; https alone. */
  readonly origins: readonly string[]
  /** `MCP_TRUSTED_NATIVE_REDIRECT_URIS`: whole addresses, such as `cursor://…`. */
  readonly native: readonly string[]
}

const longestUri = 2_048
const loopbackHosts = new Set(['localhost', '127.0.0.1', '[::1]'])

/** Whether it could be a redirect address at all: absolute, without fragment and user (RFC 6749 §3.1.2), none that runs or reads. */
export function isRedirectUri(uri: string): boolean {
  const url = uri.length <= longestUri && isPlain(uri) ? URL.parse(uri) : null
  if (url === null || uri.includes('#') || url.username !== '' || url.password !== '') return false
  if (url.protocol === 'http:') return loopbackHosts.has(url.hostname)
  return url.protocol === 'https:' || isPrivateUse(url)
}

/** RFC 8252 §7.1. What a browser itself understands is no application's. */
function isPrivateUse({ protocol }: URL): boolean {
  return /^[a-z][a-z0-9+.-]*:$/.test(protocol) && !ofBrowsers.has(protocol)
}

const ofBrowsers = new Set(
  'about: blob: chrome: data: file: filesystem: ftp: http: intent: javascript: mailto: vbscript: view-source: ws: wss:'.split(
    ' ',
  ),
)

/** Visible characters of ASCII: what a parser would silently take away is no part of an address. */
function isPlain(uri: string): boolean {
  return /^[\x21-\x7e]+$/.test(uri) && !/["'<>\\^`{|}]/.test(uri)
}

/** To the letter; of an address on loopback the port is free (RFC 8252 §7.3), since a program takes the one it gets. */
export function isRegistered(uri: string, registered: readonly string[]): boolean {
  return registered.some((known) => known === uri || isSameLoopback(known, uri))
}

function isSameLoopback(known: string, uri: string): boolean {
  const [left, right] = [withoutPort(known), withoutPort(uri)]
  return left !== undefined && left === right
}

/** Of an address on loopback, as it is written but for the port. */
function withoutPort(uri: string): string | undefined {
  const [, host, rest] = /^http:\/\/(localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?((?:[/?].*)?)$/.exec(uri) ?? []
  return host === undefined ? undefined : `${host} ${rest}`
}

/** `ownOrigin`: of the gateway itself. */
export function isTrustedRedirect(uri: string, { origins, native }: TrustedRedirects, ownOrigin: string): boolean {
  const url = isRedirectUri(uri) ? URL.parse(uri) : null
  if (url === null) return false
  if (url.protocol === 'http:') return true
  if (url.origin === ownOrigin || native.includes(uri)) return true
  return url.protocol === 'https:' && origins.some((origin) => covers(origin.toLowerCase(), url))
}

function covers(origin: string, { host, hostname, port }: URL): boolean {
  if (!origin.startsWith('*.')) return origin === host || (port === '' && origin === `${hostname}:443`)
  return port === '' && hostname.endsWith(origin.slice(1))
}

/** For a person: where the answer goes. */
export function describeRedirect(uri: string): string {
  const url = new URL(uri)
  if (url.protocol === 'http:') return `a program on your computer (${url.host})`
  return url.protocol === 'https:' ? url.host : `an application on your computer (${url.protocol}//${url.host})`
}
