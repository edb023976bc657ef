/**
 * One client-credentials token for every server that declares no authentication: `MCP_OAUTH2_TOKEN_URL`, `_CLIENT_ID`,
 * `_CLIENT_SECRET` and `_SCOPES`, switched on by `LITELLM_MCP_AUTH_AUTO_PATCH=true`.
 *
 * The token goes to servers of the file alone, never to one whose entry says anything about authentication, and nowhere
 * outside `MCP_OAUTH2_ALLOWED_HOSTS` where that is set. Start-up lists who gets it.
 */
import type { Environment } from './env.ts'
import { configurationError } from './report.ts'
import type { ServerEntry } from './server-entry.ts'

/** Settings of the `oauth2` method. `client_secret` is in the clear: the plug seals it. */
export interface EnvironmentOAuth2 {
  readonly settings: Readonly<Record<string, unknown>>
  /** Whether a server at this address may have the token. */
  allows(url: URL): boolean
}

/** `undefined` where it is switched off. Throws where it is on and a variable is missing. */
export function environmentOAuth2(environment: Environment): EnvironmentOAuth2 | undefined {
  if (!environment.oauth2ForServersWithoutAuth) return undefined
  const { tokenUrl, clientId, clientSecret, scopes, allowedHosts } = environment.oauth2
  if (tokenUrl === undefined || clientId === undefined || clientSecret === undefined) {
    const missing = Object.entries({ _TOKEN_URL: tokenUrl, _CLIENT_ID: clientId, _CLIENT_SECRET: clientSecret })
      .filter(([, value]) => value === undefined)
      .map(([name]) => `MCP_OAUTH2${name}`)
    throw configurationError([`LITELLM_MCP_AUTH_AUTO_PATCH is on, so these must be set too: ${missing.join(', ')}.`])
  }
  return {
    settings: {
      token_url: tokenUrl,
      client_id: clientId,
      client_secret: clientSecret.reveal(),
      oauth2_flow: 'client_credentials',
      ...(scopes.length > 0 && { scopes }),
    },
    allows: ({ host, hostname }) =>
      allowedHosts === undefined || allowedHosts.some((allowed) => matches(allowed.toLowerCase(), host, hostname)),
  }
}

function matches(allowed: string, host: string, hostname: string): boolean {
  if (allowed.startsWith('*.')) return hostname.endsWith(allowed.slice(1))
  return allowed === host || allowed === hostname
}

/** Header names that may carry a credential. Too many rather than too few: a match withholds the company's token. */
const credentialHeader = /auth|key|token|secret|cookie/

/** Whether the entry says anything about how to authenticate at the server; `authKeys` are the settings of all methods. */
export function declaresAuth({ keys, common }: ServerEntry, authKeys: Iterable<string>): boolean {
  const headers = [...Object.keys(common.static_headers), ...common.extra_headers]
  return (
    ['auth_type', 'discovery_auth', ...authKeys].some((key) => keys.has(key)) ||
    headers.some((name) => credentialHeader.test(name))
  )
}
