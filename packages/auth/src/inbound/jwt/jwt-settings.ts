import type { ObjectPermission } from '@toolgate/db'

/** Whose tokens are accepted, and what they may do here: `general_settings.litellm_jwtauth`. */
export interface JwtSettings {
  readonly issuers: readonly JwtIssuer[]
  /** What scopes and roles give. Where there are any, what none of them gives is not given. */
  readonly mappings: readonly JwtMapping[]
}

/** One identity provider. */
export interface JwtIssuer {
  /** Compared with `iss` to the letter. */
  readonly issuer: string
  /** One of them must be in `aud`. Never empty: a token for somebody else's service is no credential here. */
  readonly audiences: readonly string[]
  /** Absent: found through OpenID Connect discovery below the issuer. */
  readonly jwksUrl?: string | undefined
  /** JWS algorithms (RFC 7518 §3.1). Never symmetric ones: whoever can check those can also sign. */
  readonly algorithms: readonly string[]
  /** How far clocks may differ, for `exp`, `nbf` and `iat`. */
  readonly clockSkewSeconds: number
  /** How long its keys are used before they are read again. */
  readonly keysMs: number
  /** Put in front of user ids, so that those of two providers never meet. */
  readonly userIdPrefix: string
  /** Where in the claims what stands; dots lead into objects. */
  readonly claims: {
    readonly userId: string
    readonly teamId?: string | undefined
    readonly roles?: string | undefined
    readonly scopes: string
  }
}

/** What a scope or a role gives. */
export interface JwtMapping {
  readonly claim: 'scope' | 'role'
  readonly value: string
  readonly admin: boolean
  readonly models: readonly string[]
  /** Absent: every route. */
  readonly routes?: readonly string[] | undefined
  readonly permission: ObjectPermission
}
