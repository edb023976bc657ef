import { hashKey, type VirtualKeys } from '@toolgate/auth'
import { type Caller, GatewayError, type Principal, Secret } from '@toolgate/core'
import { type Context, Hono } from 'hono'
import type { AppEnv } from '../app-env.ts'
import { readJsonObject } from '../json-body.ts'
import { requireAdmin } from '../require-admin.ts'

/** The key API in LiteLLM's shapes. A key may read itself; everything else is for administrators. */
export function keyRoutes({ keys }: { keys: VirtualKeys }) {
  return new Hono<AppEnv>()
    .post('/key/generate', async (context) => {
      const generated = await keys.generate(...(await adminWrite(context)))
      // The one answer that holds the key itself.
      return context.json({ ...generated, key: generated.key.reveal() })
    })
    .get('/key/info', async (context) => {
      const { caller } = context.var
      return context.json(await keys.info(referenceFor(caller, context.req.query('key'))))
    })
    .get('/key/list', async (context) => {
      requireAdmin(context.var.caller, context.req.path)
      return context.json(await keys.list(context.req.query()))
    })
    .post('/key/delete', async (context) => context.json(await keys.delete(...(await adminWrite(context)))))
    .post('/key/block', async (context) => context.json(await keys.block(...(await adminWrite(context)))))
    .post('/key/unblock', async (context) => context.json(await keys.unblock(...(await adminWrite(context)))))
}

/** The body of an administrator's write, and whom to name as its author. */
async function adminWrite(context: Context<AppEnv>): Promise<[body: object, actor: string]> {
  const { caller } = context.var
  requireAdmin(caller, context.req.path)
  return [await readJsonObject(context), changedBy(context) ?? caller.principal.id]
}

/** What may stand in the record of who changed what: short, and nothing that forges a line. */
const plainName = /^[\x20-\x7e]{1,256}$/

function changedBy(context: Context<AppEnv>): string | undefined {
  const named = context.req.header('litellm-changed-by')
  if (named === undefined || named === '') return undefined
  if (plainName.test(named)) return named
  throw new GatewayError('INVALID_REQUEST', 'litellm-changed-by: at most 256 printable characters of ASCII.', {
    details: { field: 'litellm-changed-by' },
  })
}

/** Without `key` the caller asks about itself. Another's key is for administrators. */
function referenceFor({ principal }: Caller, asked: string | undefined): string {
  if (asked !== undefined) {
    if (!principal.admin && !isOwn(principal, asked)) throw notAllowed()
    return asked
  }
  if (principal.source === 'virtual_key') return principal.keyHash
  throw new GatewayError('INVALID_REQUEST', 'The master key is no virtual key: name one with ?key=.', {
    details: { field: 'key' },
  })
}

function isOwn({ keyHash }: Principal, asked: string): boolean {
  return asked === keyHash || hashKey(new Secret(asked)) === keyHash
}

function notAllowed(): GatewayError {
  return new GatewayError('ADMIN_ONLY', "You are not allowed to access this key's info. A key may read itself.")
}
