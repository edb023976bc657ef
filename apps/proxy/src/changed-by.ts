import { GatewayError } from '@toolgate/core'
import type { Context } from 'hono'
import type { AppEnv } from './app-env.ts'

/** What may stand in the record of who changed what: short, and nothing that forges a line. */
const plainName = /^[\x20-\x7e]{1,256}$/

/** Whom an administrator's write is recorded for: `litellm-changed-by`, else the caller. */
export function changedBy(context: Context<AppEnv>): string {
  const named = context.req.header('litellm-changed-by')
  if (named === undefined || named === '') return context.var.caller.principal.id
  if (plainName.test(named)) return named
  throw new GatewayError('INVALID_REQUEST', 'litellm-changed-by: at most 256 printable characters of ASCII.', {
    details: { field: 'litellm-changed-by' },
  })
}
