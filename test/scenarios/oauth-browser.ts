import { createHash } from 'node:crypto'
import type { JsonObject } from '@toolgate/core'
import type { Booted } from '../boot.ts'

/** As a client on this machine knows the gateway. */
export const base = 'http://127.0.0.1:4000'

export interface Page {
  readonly status: number
  readonly text: string
  readonly headers: Headers
  /** Where the browser was sent on to. */
  readonly location: URL | undefined
}

/** A person with a browser: keeps cookies, reads pages, sends their form. `at`: as the gateway is known to it. */
export function browse(gateway: Pick<Booted, 'fetch'>, at: string = base) {
  const cookies = new Map<string, string>()
  const open = async (url: string | URL, init: RequestInit = {}): Promise<Page> => {
    const headers = new Headers(init.headers)
    if (cookies.size > 0) headers.set('cookie', [...cookies].map(([name, value]) => `${name}=${value}`).join('; '))
    const response = await gateway.fetch(new URL(url, at), { ...init, headers, redirect: 'manual' })
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? []
      cookies.set(name, value)
    }
    const location = response.headers.get('location')
    const text = await response.text()
    return {
      status: response.status,
      text,
      headers: response.headers,
      location: location === null ? undefined : new URL(location),
    }
  }
  const send = (page: Page, fields: Record<string, string>, headers: Record<string, string> = {}) => {
    const action = /<form method="post" action="([^"]*)"/.exec(page.text)?.[1]
    const request = /name="request" value="([^"]*)"/.exec(page.text)?.[1]
    if (action === undefined || request === undefined) throw new Error(`no form in: ${page.text}`)
    return open(action, {
      method: 'POST',
      headers: { origin: at, 'sec-fetch-site': 'same-origin', ...headers },
      body: new URLSearchParams({ request, ...fields }),
    })
  }
  return {
    cookies,
    open,
    send,
    /** Opens the page, shows the key and says yes; where the browser ends up. */
    async allow(url: string | URL, key: string): Promise<URL> {
      const page = await open(url)
      const answer = await send(page, { key, decision: 'allow' })
      if (answer.location === undefined) throw new Error(`not let in: ${answer.text}`)
      return answer.location
    },
  }
}

/** Where the button of a page leads: to the sign-in at the server there, or back to the application. */
export function wayOn(page: string): string | undefined {
  return /class="button" href="([^"]*)"/.exec(page)?.[1]?.replaceAll('&amp;', '&')
}

export const verifier = 'verifier-of-this-test-0123456789-0123456789'
export const callback = 'http://127.0.0.1:5555/callback'

/** The address that a well-behaved client sends a browser to. `undefined` takes a parameter away. */
export function authorizeUrl(clientId: string, changes: Record<string, string | undefined> = {}): URL {
  const parameters = {
    response_type: 'code',
    client_id: clientId,
    redirect_uri: callback,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    state: 'state-of-the-client',
    resource: `${base}/mcp`,
    ...changes,
  }
  const url = new URL('/authorize', base)
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) url.searchParams.set(name, value)
  return url
}

export interface Answer {
  readonly status: number
  readonly body: JsonObject
  readonly headers: Headers
}

/** A value that must be a text. */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  throw new TypeError(`not a text: ${JSON.stringify(value)}`)
}

/** What a client sends from its own process. */
export function clientOf(gateway: Booted) {
  const post = async (path: string, init: RequestInit): Promise<Answer> => {
    const response = await gateway.fetch(new URL(path, base), { method: 'POST', ...init })
    const text = await response.text()
    return { status: response.status, body: text === '' ? {} : JSON.parse(text), headers: response.headers }
  }
  const form = (path: string, fields: Record<string, string>, headers: Record<string, string> = {}) =>
    post(path, { body: new URLSearchParams(fields), headers })
  const register = async (metadata: JsonObject = {}) => {
    const body = { redirect_uris: [callback], client_name: 'Test', token_endpoint_auth_method: 'none', ...metadata }
    const headers = { 'content-type': 'application/json' }
    return post('/register', { body: JSON.stringify(body), headers })
  }
  const exchange = (code: string, fields: Record<string, string>, path = '/token') =>
    form(path, { grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: callback, ...fields })
  return {
    form,
    register,
    exchange,
    newClient: async (metadata: JsonObject = {}) => textOf((await register(metadata)).body['client_id']),
    refresh: (token: unknown, clientId: string) =>
      form('/token', { grant_type: 'refresh_token', refresh_token: textOf(token), client_id: clientId }),
    /** Whom an MCP endpoint takes the bearer for: the status of a `ping`. */
    async ping(path: string, token: unknown): Promise<number> {
      const response = await gateway.fetch(new URL(path, base), {
        method: 'POST',
        headers: {
          authorization: `Bearer ${textOf(token)}`,
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
        },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' }),
      })
      await response.body?.cancel()
      return response.status
    },
  }
}
