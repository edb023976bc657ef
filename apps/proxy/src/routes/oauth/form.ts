import { oauthError } from '@toolgate/auth'
import type { Context } from 'hono'
import type { AppEnv } from '../../app-env.ts'
import { readText } from '../../json-body.ts'

/** A form, as all of OAuth has them (RFC 6749 appendix B). */
export async function readForm(context: Context<AppEnv>): Promise<URLSearchParams> {
  const type = context.req.header('content-type') ?? ''
  if (!/^application\/x-www-form-urlencoded\s*(?:;|$)/i.test(type)) {
    throw oauthError('invalid_request', 'The body must be a form (application/x-www-form-urlencoded).')
  }
  return new URLSearchParams(await readText(context))
}
