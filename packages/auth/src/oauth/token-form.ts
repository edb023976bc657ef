/** The form of a request to the token endpoint, and the refusals that every kind of grant has in common. */
import { createHash } from 'node:crypto'
import { GatewayError } from '@toolgate/core'
import { single } from './authorization-request.ts'
import { oauthError } from './oauth-error.ts'

/** One text for everything: which part did not fit is for nobody to try out. */
export function notGranted() {
  return oauthError('invalid_grant', 'The code or refresh token is not valid for this client, or not any more.')
}

/** Not `invalid_grant`: upon that clients throw away what they hold, and that is by now what the other refresh got. */
export function overtaken() {
  return new GatewayError(
    'CONFLICT',
    'This refresh token was used a moment ago. Go on with what it was exchanged for.',
    {
      details: { error: 'temporarily_unavailable' },
    },
  )
}

export function required(form: URLSearchParams, name: string): string {
  const value = single(form, name)
  if (value === undefined) throw oauthError('invalid_request', `"${name}" is missing.`)
  return value
}

/** RFC 7636 §4.1 and §4.6. */
export function challengeOf(verifier: string): string {
  if (!/^[\w.~-]{43,128}$/.test(verifier)) throw oauthError('invalid_grant', '"code_verifier" is none.')
  return createHash('sha256').update(verifier).digest('base64url')
}
