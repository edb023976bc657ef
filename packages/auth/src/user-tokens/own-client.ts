import type { JsonObject } from '@toolgate/core'

/** What the gateway says of itself as a client of an authorization server: when it registers (RFC 7591), and in its document (CIMD). */
export function ownClient(redirectUri: string) {
  return {
    client_name: 'toolgate',
    redirect_uris: [redirectUri],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
    application_type: applicationType(redirectUri),
  }
}

/** The document at this address, which is the client's id. */
export function ownClientDocument(address: string, redirectUri: string): JsonObject {
  return { client_id: address, ...ownClient(redirectUri) }
}

/** Servers that tell the two apart let only a native application come back to this machine (OpenID Connect Registration §2). */
function applicationType(redirectUri: string): 'native' | 'web' {
  const { hostname } = new URL(redirectUri)
  return ['localhost', '127.0.0.1', '[::1]'].includes(hostname) ? 'native' : 'web'
}
