/**
 * LiteLLM's per-user keys (BYOK) and variables: what the calling user has set for servers. Values go in and are never told, not even
 * to whom they are of. A server that the key may not use reads like one that does not exist.
 */
import { invalidRequest, missingVariables, readVariables, setVariables, writeVariables } from '@toolgate/auth'
import { GatewayError, Secret, type UserSecretAccess, type UserVariables } from '@toolgate/core'
import type { Gateway, ManagedServer } from '@toolgate/manager'
import { type Context, Hono } from 'hono'
import { z } from 'zod'
import type { AppEnv } from '../app-env.ts'
import { readJsonObject } from '../json-body.ts'
import { readFields } from '../parse-body.ts'
import type { PublicAddress } from '../public-address.ts'
import { userAtServer } from './mcp-user-credentials.ts'
import { requireOwner } from './oauth/connect.ts'

/** Characters; of a value in a header most servers take less. */
const longestValue = 16_384
const inHeaders = /^[\t\x20-\x7e\x80-\xff]*$/
const unfit = 'holds a line break or another character that no header can carry'

export const userKey = z.object({
  credential: z.string().trim().min(1).max(longestValue).regex(inHeaders, { error: unfit }),
  save: z.boolean().default(true),
})
export const userVariables = z.object({
  values: z.record(z.string().max(128), z.string().min(1).max(longestValue).nullable()),
})

export interface McpUserSecretRoutes {
  readonly gateway: Pick<Gateway, 'select'>
  readonly publicAddress: Pick<PublicAddress, 'of'>
}

export function mcpUserSecretRoutes({ gateway, publicAddress }: McpUserSecretRoutes) {
  const userAt = (context: Context<AppEnv>) => userAtServer(context, gateway)
  const status = async (context: Context<AppEnv>, server: ManagedServer, owner: string) => {
    const setupUrl = `${publicAddress.of(context)}/v1/mcp/server/${encodeURIComponent(server.id)}/user-env-vars`
    return { ...(await described(server, owner)), setup_url: setupUrl }
  }

  return new Hono<AppEnv>()
    .post('/v1/mcp/server/:server_id/user-credential', async (context) => {
      const { credential, save } = readFields(userKey, await readJsonObject(context))
      const { server, owner } = userAt(context)
      const keys = keysOf(server)
      if (save) await keys.keep({ server, owner }, () => new Secret(credential))
      const has_credential = save || (await keys.read(server, owner)) !== undefined
      return context.json({ server_id: server.id, has_credential })
    })
    .delete('/v1/mcp/server/:server_id/user-credential', async (context) => {
      const { server, owner } = userAt(context)
      await keysOf(server).remove(server, owner)
      return context.json({ server_id: server.id, has_credential: false })
    })
    .get('/v1/mcp/server/:server_id/user-env-vars', async (context) => {
      const { server, owner } = userAt(context)
      return context.json(await status(context, server, owner))
    })
    .post('/v1/mcp/server/:server_id/user-env-vars', async (context) => {
      const { values } = readFields(userVariables, await readJsonObject(context))
      const { server, owner } = userAt(context)
      const { declared, held } = variablesOf(server)
      reviewValues(values, { declared, server })
      await held.keep({ server, owner }, (former) => changed(former, values, declared))
      return context.json(await status(context, server, owner))
    })
    .delete('/v1/mcp/server/:server_id/user-env-vars', async (context) => {
      const { server, owner } = userAt(context)
      await variablesOf(server).held.remove(server, owner)
      return context.json(await status(context, server, owner))
    })
    .get('/v1/mcp/user-env-vars/status', async (context) => {
      const { caller } = context.var
      const owner = requireOwner(caller.principal)
      const servers = gateway.select(caller).servers.filter(({ userVariables: declared }) => declared !== undefined)
      return context.json(await Promise.all(servers.map((server) => status(context, server, owner))))
    })
}

/** What is set, without a value. */
async function described(server: ManagedServer, owner: string) {
  const { values } = await setVariables(server, owner)
  const { id, name, alias = null, userVariables: variables } = server
  const required = (variables?.declared ?? []).map(({ name: variable, description = null }) => ({
    name: variable,
    description,
    is_set: values.has(variable),
  }))
  const missing_count = missingVariables(server, values).length
  return { server_id: id, server_name: name, alias, required, missing_count }
}

type GivenValues = z.output<typeof userVariables>['values']

function changed(former: Secret | undefined, values: GivenValues, declared: UserVariables['declared']): Secret {
  const next = new Map(readVariables(former))
  for (const [name, value] of Object.entries(values)) {
    if (value === null) next.delete(name)
    else next.set(name, new Secret(value))
  }
  const known = new Set(declared.map(({ name }) => name))
  return writeVariables(new Map([...next].filter(([name]) => known.has(name))))
}

function keysOf({ auth, name, byok }: ManagedServer): UserSecretAccess {
  if (byok !== undefined && auth.userKey !== undefined) return auth.userKey
  throw new GatewayError('INVALID_REQUEST', `Server "${name}" takes no keys of users: it is not declared is_byok.`)
}

function variablesOf({ userVariables: variables, name }: ManagedServer) {
  if (variables?.held !== undefined) return { declared: variables.declared, held: variables.held }
  throw new GatewayError('INVALID_REQUEST', `Server "${name}" declares no env_vars with scope: user.`)
}

function reviewValues(
  values: GivenValues,
  { declared, server }: { readonly declared: UserVariables['declared']; readonly server: ManagedServer },
): void {
  const known = new Set(declared.map(({ name }) => name))
  // A process takes any text, a header does not.
  const isFit = (value: string) => (server.transport.sendsHeaders ? inHeaders.test(value) : !value.includes('\0'))
  const issues = Object.entries(values).flatMap(([name, value]) => {
    if (!known.has(name))
      return [{ path: ['values'], message: 'holds a name that the server does not declare', code: 'unknown' }]
    return value === null || isFit(value) ? [] : [{ path: ['values', name], message: unfit, code: 'invalid' }]
  })
  if (issues.length > 0) throw invalidRequest(issues)
}
