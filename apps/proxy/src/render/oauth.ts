import type { GatewayError } from '@toolgate/core'
import type { RenderedError } from './openai.ts'
import { httpStatus } from './status.ts'

/** RFC 6749 §5.2. */
export interface OauthErrorBody {
  readonly error: string
  readonly error_description: string
}

/** A code is OAuth's own where the refusal was made in its words. Other faults of ours are the two that OAuth knows. */
export function oauthErrorOf({ details, message, blame, retryable }: GatewayError): OauthErrorBody {
  const { error } = details
  if (typeof error === 'string') return { error, error_description: printable(message) }
  const named =
    blame === 'caller' && !retryable ? 'invalid_request' : retryable ? 'temporarily_unavailable' : 'server_error'
  return { error: named, error_description: printable(message) }
}

export function renderOauthError(error: GatewayError): RenderedError {
  return { status: httpStatus[error.code], body: oauthErrorOf(error) }
}

/** RFC 6749 §5.2: which characters a description may have. */
function printable(text: string): string {
  return text.replaceAll(/["\\]/g, "'").replaceAll(/[^\x20-\x7e]/g, '?')
}
