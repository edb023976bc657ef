import { type AuthorizationServer, keyHashOf } from '@toolgate/auth'
import { GatewayError } from '@toolgate/core'
import { Hono } from 'hono'
import { z } from 'zod'
import type { AppEnv } from '../../app-env.ts'
import { readFields } from '../../parse-body.ts'
import { printablePath } from '../../printable-path.ts'

type Listed = Awaited<ReturnType<AuthorizationServer['issued']['list']>>[number]

/** As many as one key can have. */
const mostListed = 100

export const grantsQuery = z.object({
  /** The hash of a key, for administrators; absent: everybody's for them, its own for a key. */
  key: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'must be the hash of a key: an address is written to logs')
    .optional(),
  /** The last id of the page before. */
  after: z.string().optional(),
  limit: z.coerce.number().int().min(1).max(mostListed).default(mostListed),
})

/**
 * Which MCP clients were let in, and the end of that: an administrator sees everybody's, a key those that it consented to. A token
 * is in neither.
 */
export function oauthGrantRoutes({
  authorizationServer,
}: {
  readonly authorizationServer: Pick<AuthorizationServer, 'issued'>
}) {
  const { issued } = authorizationServer
  return new Hono<AppEnv>()
    .get('/v1/mcp/oauth/grants', async (context) => {
      const { principal } = context.var.caller
      const { key, ...page } = readFields(grantsQuery, context.req.query())
      const asked = key === undefined ? undefined : keyHashOf(key)
      if (asked !== undefined && asked !== principal.keyHash && !principal.admin) {
        throw new GatewayError('ADMIN_ONLY', 'Only proxy admin can ask about other keys. Route=/v1/mcp/oauth/grants')
      }
      const grants = await issued.list(principal, { key: asked, ...page })
      return context.json(grants.map(described))
    })
    .delete('/v1/mcp/oauth/grants/:grant_id', async (context) => {
      const grantId = context.req.param('grant_id')
      // One of somebody else reads like none.
      if (!(await issued.end(grantId, context.var.caller.principal))) {
        throw new GatewayError('RECORD_NOT_FOUND', `There is no grant "${printablePath(grantId)}".`)
      }
      return context.json({ grant_id: grantId, revoked: true })
    })
}

function described({ grant, clientName }: Listed) {
  return {
    grant_id: grant.id,
    client_id: grant.clientId,
    client_name: clientName,
    key: grant.keyHash,
    user_id: grant.person?.user ?? null,
    endpoint: grant.audience,
    scope: grant.scope,
    created_at: grant.createdAt.toISOString(),
    expires_at: grant.expiresAt.toISOString(),
  }
}
