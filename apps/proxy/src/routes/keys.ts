import { keyHashOf, type VirtualKeys } from '@toolgate/auth'
import { GatewayError, type Secret } from '@toolgate/core'
import { type Context, Hono } from 'hono'
import type { AppEnv } from '../app-env.ts'
import { changedBy } from '../changed-by.ts'
import { readJsonObject } from '../json-body.ts'
import { printablePath } from '../printable-path.ts'
import { requireAdmin } from '../require-admin.ts'
import { ownReference, refuseOthers } from './keys-own.ts'

/**
 * The key API in LiteLLM's shapes. A key may read itself, ask how it is, and fetch the next one when it is due for
 * rotation; everything else is for administrators.
 */
export function keyRoutes({ keys }: { keys: VirtualKeys }) {
  return (
    new Hono<AppEnv>()
      .post('/key/generate', async (context) => showKey(context, await keys.generate(...(await adminWrite(context)))))
      .post('/key/service-account/generate', async (context) =>
        showKey(context, await keys.generateForService(...(await adminWrite(context)))),
      )
      .get('/key/info', async (context) => {
        const reference = ownReference(context.var.caller, context.req.query('key'))
        return context.json(await keys.info(reference))
      })
      .post('/v2/key/info', async (context) => {
        const body = await readJsonObject(context)
        refuseOthers(context.var.caller, Reflect.get(body, 'keys'))
        return context.json(await keys.infos(body))
      })
      .get('/key/list', async (context) => {
        requireAdmin(context.var.caller, context.req.path)
        return context.json(await keys.list(context.req.query()))
      })
      .get('/key/aliases', async (context) => {
        requireAdmin(context.var.caller, context.req.path)
        return context.json(await keys.aliases(context.req.query()))
      })
      .post('/key/delete', async (context) => context.json(await keys.delete(...(await adminWrite(context)))))
      .post('/key/block', async (context) => context.json(await keys.block(...(await adminWrite(context)))))
      .post('/key/unblock', async (context) => context.json(await keys.unblock(...(await adminWrite(context)))))
      .post('/key/update', async (context) => context.json(await keys.update(...(await adminWrite(context)))))
      .post('/key/bulk_update', async (context) => context.json(await keys.bulkUpdate(...(await adminWrite(context)))))
      .post('/key/regenerate', async (context) => regenerate(context, keys, context.req.query('key')))
      .post('/key/:key/regenerate', async (context) => regenerate(context, keys, context.req.param('key')))
      .post('/key/:key/reset_spend', async (context) => {
        const [body, actor] = await adminWrite(context)
        return context.json(await keys.resetSpend(context.req.param('key'), body, actor))
      })
      .post('/key/rotate', async (context) => {
        const { principal } = context.var.caller
        const presented = principal.formerKeyHash ?? ownReference(context.var.caller, undefined)
        return showKey(context, await keys.rotate(presented, principal.id))
      })
      // Whoever is answered here was admitted; keys have no logging callbacks of their own.
      .post('/key/health', (context) => context.json({ key: 'healthy', logging_callbacks: null }))
  )
}

/** The key in the query or the path says which key; one in the body may only repeat it. */
async function regenerate(context: Context<AppEnv>, keys: VirtualKeys, named: string | undefined) {
  const [body, actor] = await adminWrite(context, { optional: true })
  const repeated: unknown = Reflect.get(body, 'key')
  if (named !== undefined && typeof repeated === 'string' && keyHashOf(repeated) !== keyHashOf(named)) {
    throw new GatewayError('INVALID_REQUEST', 'key: the body and the address name different keys.', {
      details: { field: 'key' },
    })
  }
  return showKey(context, await keys.regenerate({ ...body, ...(named !== undefined && { key: named }) }, actor))
}

/** The only answers that hold a key itself. */
function showKey(context: Context<AppEnv>, made: { readonly key: Secret }) {
  return context.json({ ...made, key: made.key.reveal() })
}

interface BodyRules {
  /** No body says nothing. */
  readonly optional?: boolean
}

/** The body of an administrator's write, and whom to name as its author. */
async function adminWrite(
  context: Context<AppEnv>,
  { optional = false }: BodyRules = {},
): Promise<[body: object, actor: string]> {
  const { caller } = context.var
  // LiteLLM has routes with a key in their path.
  requireAdmin(caller, printablePath(context.req.path))
  const body = optional && (await context.req.text()) === '' ? {} : await readJsonObject(context)
  return [body, changedBy(context)]
}
