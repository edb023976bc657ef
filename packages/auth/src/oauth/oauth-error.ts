import { type ErrorCode, GatewayError } from '@toolgate/core'

/** The registered codes that are ours to give: RFC 6749 §4.1.2.1 and §5.2, RFC 7591 §3.2.2, RFC 8707 §2, RFC 7009 §2.2.1. */
export type OauthErrorCode =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'unsupported_grant_type'
  | 'unsupported_response_type'
  | 'invalid_target'
  | 'invalid_redirect_uri'
  | 'invalid_client_metadata'
  | 'access_denied'
  | 'unsupported_token_type'

/** A refusal in the words of OAuth. The message is its `error_description`, so it quotes nothing that was sent. */
export function oauthError(error: OauthErrorCode, message: string, cause?: unknown): GatewayError {
  const code: ErrorCode = error === 'invalid_client' ? 'CREDENTIAL_INVALID' : 'INVALID_REQUEST'
  return new GatewayError(code, message, { details: { error }, cause })
}
