import type { Secret } from '@toolgate/core'
import type { JwtIssuer, JwtMapping } from '../inbound/jwt/jwt-settings.ts'

/** Where people of the company sign in, instead of showing a key: `general_settings.mcp_sign_in`. */
export interface PersonSignInSettings {
  /** The OpenID provider, and what of its claims means what. */
  readonly provider: Pick<JwtIssuer, 'issuer' | 'claims' | 'userIdPrefix'>
  /** As in `JwtSettings`. */
  readonly mappings: readonly JwtMapping[]
  readonly clientId: string
  /** Absent: a public client, which proves itself by PKCE alone. */
  readonly clientSecret: Secret | undefined
  /** Absent: what the provider says that it takes. */
  readonly clientAuthentication: 'client_secret_post' | 'client_secret_basic' | undefined
  readonly scopes: readonly string[]
  /** What people call the provider. */
  readonly label: string
}
