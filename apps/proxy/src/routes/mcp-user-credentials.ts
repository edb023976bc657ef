import { ownerOf } from '@toolgate/auth'
import { type Caller, Secret, type UserTokenStatus } from '@toolgate/core'
import { type Gateway, type ManagedServer, serverNotFound } from '@toolgate/manager'
import { type Context, Hono } from 'hono'
import { z } from 'zod'
import type { AppEnv } from '../app-env.ts'
import { readJsonObject } from '../json-body.ts'
import { readFields } from '../parse-body.ts'
import { accessOf, requireOwner } from './oauth/connect.ts'

/** RFC 6749 appendix A.12 and A.17; the access token becomes a header as a bearer's (RFC 6750 §2.1), which has no spaces. */
const token = z.string().min(1).max(16_384)
const accessToken = token.regex(/^[\x21-\x7e]+$/, { error: 'must be visible characters of ASCII, without spaces' })
const refreshToken = token.regex(/^[\x20-\x7e]+$/, { error: 'must be visible characters of ASCII' })

export const userCredential = z.object({
  access_token: accessToken,
  refresh_token: refreshToken.optional(),
  expires_in: z.number().positive().optional(),
  scopes: z.array(z.string()).max(100).optional(),
})

/**
 * LiteLLM's per-user credentials, of which keys and variables have a file of their own (`mcp-user-secrets.ts`): tokens of the calling user at servers whose users sign in. They are kept and forgotten here, told
 * how they are, and never told themselves. A server that the key may not use reads like one that does not exist.
 */
export function mcpUserCredentialRoutes({ gateway }: { readonly gateway: Pick<Gateway, 'select'> }) {
  const userAt = (context: Context<AppEnv>) => userAtServer(context, gateway)

  return new Hono<AppEnv>()
    .get('/v1/mcp/user-credentials', async (context) => {
      const { caller } = context.var
      const owner = requireOwner(caller.principal)
      const known = gateway.select(caller).servers.map(async (server) => {
        const held = await credentialOf(server, owner)
        return held === undefined ? [] : [listed(server, held.status, held.type)]
      })
      return context.json((await Promise.all(known)).flat())
    })
    .get('/v1/mcp/server/:server_id/oauth-user-credential/status', async (context) => {
      const { server, owner } = userAt(context)
      return context.json(described(server, await accessOf(server).status(server, owner)))
    })
    .post('/v1/mcp/server/:server_id/oauth-user-credential', async (context) => {
      const {
        access_token,
        refresh_token,
        expires_in,
        scopes = [],
      } = readFields(userCredential, await readJsonObject(context))
      const user = userAt(context)
      const status = await accessOf(user.server).keep(user, {
        access: new Secret(access_token),
        refresh: refresh_token === undefined ? undefined : new Secret(refresh_token),
        lifetimeMs: expires_in === undefined ? undefined : expires_in * 1000,
        scopes,
      })
      return context.json(described(user.server, status))
    })
    .delete('/v1/mcp/server/:server_id/oauth-user-credential', async (context) => {
      const { server, owner } = userAt(context)
      await accessOf(server).remove(server, owner)
      return context.json(described(server, undefined))
    })
}

/** The calling user, at the server of the path. */
export function userAtServer(context: Context<AppEnv>, gateway: Pick<Gateway, 'select'>) {
  const { caller } = context.var
  const handle = context.req.param('server_id') ?? ''
  const [server] = gateway.select(caller, [handle]).servers
  if (server === undefined) throw serverNotFound(handle)
  return { server, owner: requireOwner(caller.principal), signal: caller.signal }
}

/** What this user has at a server, be it a key or an account. */
async function credentialOf(server: ManagedServer, owner: string) {
  const key = await server.auth.userKey?.read(server, owner)
  if (key !== undefined) return { type: 'byok', status: { connectedAt: key.keptAt } } as const
  const status = await server.auth.userTokens?.status(server, owner)
  return status && ({ type: 'oauth2', status } as const)
}

/**
 * LiteLLM's `has_user_credential`. Undefined where the server takes none of users, and while the store does not say: a list of
 * servers is worth having without it.
 */
export async function hasUserCredential(server: ManagedServer, { principal }: Caller): Promise<boolean | undefined> {
  if (server.auth.userKey === undefined && server.auth.userTokens === undefined) return undefined
  const owner = ownerOf(principal)
  if (owner === undefined) return false
  return credentialOf(server, owner).then(
    (held) => held !== undefined,
    () => undefined,
  )
}

type Status = Partial<UserTokenStatus> & Pick<UserTokenStatus, 'connectedAt'>

function described({ id }: ManagedServer, status: Status | undefined) {
  return {
    server_id: id,
    has_credential: status !== undefined,
    expires_at: status?.expiresAt?.toISOString() ?? null,
    is_expired: status?.isExpired ?? false,
    needs_reauth: status?.needsSignIn ?? false,
    connected_at: status?.connectedAt.toISOString() ?? null,
  }
}

function listed(server: ManagedServer, status: Status, type: 'oauth2' | 'byok') {
  const { name, alias = null } = server
  return { ...described(server, status), server_name: name, alias, credential_type: type }
}
