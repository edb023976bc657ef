import type { OAuthDiscoveryState } from '@modelcontextprotocol/client'
import type { OAuthClientInformationMixed, OAuthTokens } from '@modelcontextprotocol/sdk/shared/auth.js'
import { callback } from './oauth-browser.ts'

/** What the SDKs ask of an application, for both lines of them; it remembers, and has nothing but the browser's answer. */
export function application() {
  let client: OAuthClientInformationMixed | undefined
  let tokens: OAuthTokens | undefined
  let discovery: OAuthDiscoveryState | undefined
  let verifier = ''
  let sentTo: URL | undefined
  return {
    get sentTo() {
      return String(sentTo)
    },
    get token() {
      return tokens?.access_token
    },
    get refreshToken() {
      return tokens?.refresh_token
    },
    loseAccessToken(as = 'tgat_forgotten') {
      tokens = tokens && { ...tokens, access_token: as }
    },
    redirectUrl: callback,
    clientMetadata: {
      client_name: 'An editor',
      redirect_uris: [callback],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    },
    state: () => 'state-of-the-editor',
    clientInformation: () => client,
    saveClientInformation(saved: OAuthClientInformationMixed) {
      client = saved
    },
    tokens: () => tokens,
    saveTokens(saved: OAuthTokens) {
      tokens = saved
    },
    redirectToAuthorization(url: URL) {
      sentTo = url
    },
    saveCodeVerifier(saved: string) {
      verifier = saved
    },
    codeVerifier: () => verifier,
    saveDiscoveryState(saved: OAuthDiscoveryState) {
      discovery = saved
    },
    discoveryState: () => discovery,
  }
}
