import { type CredentialPlan, type ExplainedCredentialSource, keyHashOf, type KeyPrincipals } from '@toolgate/auth'
import { type Caller, GatewayError, nothingForwarded, type Principal } from '@toolgate/core'
import {
  type Gateway,
  type ManagedServer,
  permits,
  type Rule,
  ruleFor,
  serverNotFound,
  type ToolsetLookup,
} from '@toolgate/manager'
import { type Context, Hono } from 'hono'
import { z } from 'zod'
import type { AppEnv } from '../app-env.ts'
import { readFields } from '../parse-body.ts'
import type { LiveConfig } from '../reload/live-config.ts'

export interface McpExplainRoutes {
  readonly gateway: Pick<Gateway, 'select'>
  readonly credentials: Pick<ExplainedCredentialSource, 'plan'>
  readonly keyPrincipals: KeyPrincipals
  readonly live: Pick<LiveConfig, 'current'>
  readonly toolsets: ToolsetLookup
}

export const explainQuery = z.object({
  /** Id, name or alias. */
  server: z.string().min(1),
  /** The server's own name of it, or the public one. */
  tool: z.string().min(1).optional(),
  /** The hash of a key, for administrators; absent: the key that asks. */
  key: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'must be the hash of a key: an address is written to logs')
    .optional(),
})

/**
 * Why a key may use a server or a tool of it, or may not, and whose credential would be presented there. An administrator asks
 * about every key, a key about itself, with what this very request brings.
 */
export function mcpExplainRoutes(services: McpExplainRoutes) {
  return new Hono<AppEnv>().get('/v1/mcp/explain', async (context) => {
    const { server: handle, tool, key } = readFields(explainQuery, context.req.query())
    const { caller } = context.var
    const asked = await subjectOf(key, context, services)
    // What the asker may not see does not exist, whoever is asked about.
    const [server] = services.gateway.select(caller, [handle]).servers
    if (server === undefined) throw serverNotFound(handle)
    const verdict = judge(asked.caller.principal, {
      server,
      tool,
      separator: separatorOf(services),
      toolsets: services.toolsets,
    })
    const plan = await services.credentials.plan(server, asked.caller, { onlyServer: true })
    return context.json({
      key: describeKey(asked.caller.principal, asked.unusable),
      server: { server_id: server.id, server_name: server.name, alias: server.alias ?? null },
      tool: tool ?? null,
      allowed: verdict.allowed && asked.unusable === undefined,
      ...ruleText(verdict.rule, caller.principal.admin),
      credential: {
        source: plan.source,
        resolution: plan.resolution,
        auth_type: plan.authType,
        ...(server.userVariables !== undefined && { missing_variables: plan.missingVariables }),
        explanation: credentialText(plan, key !== undefined),
        ...(caller.principal.admin && { from_caller: plan.fromCaller, from_operator: plan.fromOperator }),
      },
    })
  })
}

interface Subject {
  readonly caller: Caller
  readonly unusable: string | undefined
}

async function subjectOf(
  key: string | undefined,
  { var: { caller } }: Context<AppEnv>,
  { keyPrincipals }: McpExplainRoutes,
): Promise<Subject> {
  if (key === undefined || key === caller.principal.keyHash) return { caller, unusable: undefined }
  if (!caller.principal.admin) {
    throw new GatewayError('ADMIN_ONLY', 'Only proxy admin can ask about other keys. Route=/v1/mcp/explain')
  }
  const known = await keyPrincipals.find(keyHashOf(key), caller.signal)
  if (known === undefined) throw new GatewayError('KEY_NOT_FOUND', 'No key has this hash.')
  // What its next request will bring, nobody knows.
  return { caller: { ...caller, principal: known.principal, forwarded: nothingForwarded }, unusable: known.unusable }
}

interface Question {
  readonly server: ManagedServer
  readonly tool: string | undefined
  readonly separator: string
  readonly toolsets: ToolsetLookup
}

function judge(
  principal: Principal,
  { server, tool, separator, toolsets }: Question,
): { allowed: boolean; rule: Rule } {
  const prefix = `${server.prefix}${separator}`
  const target =
    tool === undefined
      ? ({ server, kind: 'server' } as const)
      : ({ server, kind: 'tool', name: tool.startsWith(prefix) ? tool.slice(prefix.length) : tool } as const)
  const rules = { separator, toolsets }
  return { allowed: permits(principal, target, rules), rule: ruleFor(principal, target, rules) }
}

function separatorOf({ live }: McpExplainRoutes): string {
  return live.current.environment.toolPrefixSeparator
}

function describeKey({ source, keyHash, keyAlias, userId, teamId, admin }: Principal, unusable: string | undefined) {
  return {
    source,
    hash: keyHash,
    key_alias: keyAlias ?? null,
    user_id: userId ?? null,
    team_id: teamId ?? null,
    admin,
    unusable: unusable ?? null,
  }
}

const explanations = {
  admin: 'An administrator may use everything.',
  all_servers: 'The key may use every server.',
  allow_all_keys: 'The server is open to every key (allow_all_keys).',
  api_keys: 'The server names this key (api_keys).',
  mcp_servers: 'The key was granted this server (mcp_servers).',
  mcp_access_groups: 'The key was granted an access group of this server (mcp_access_groups).',
  mcp_tool_permissions: 'The key was granted this tool (mcp_tool_permissions).',
  mcp_toolsets: 'The key was granted a toolset that has this tool (mcp_toolsets).',
  no_mcp_servers: 'The key may use no server (no-mcp-servers).',
  not_granted: 'Nothing grants this server to the key.',
  only_some_tools_granted: 'The key was granted other tools of this server, and only those (mcp_tool_permissions).',
  blocked_tools: 'The key may not use this tool (blocked_tools).',
  allowed_tools: 'The server does not offer this tool to anybody (allowed_tools).',
  disallowed_tools: 'The server does not offer this tool to anybody (disallowed_tools).',
} as const satisfies Record<Rule, string>

/** What a server withholds from everybody is one rule for whoever is no administrator: its lists are the operator's. */
function ruleText(rule: Rule, admin: boolean): { rule: string; explanation: string } {
  const isServers = rule === 'allowed_tools' || rule === 'disallowed_tools'
  if (admin || !isServers) return { rule, explanation: explanations[rule] }
  return { rule: 'not_offered', explanation: 'The server does not offer this tool.' }
}

const credentials = {
  caller: 'What the request brings for this server.',
  gateway: 'The credential of the gateway.',
  static_headers: 'None but the headers that the operator wrote (static_headers).',
  exchanged_token: 'A token of the server, in exchange for the one that the caller brings.',
  user_key: 'The key that the user has set for the server.',
  user_variables:
    'What the user has set of the server’s variables, in the headers or the environment that the operator wrote.',
  user_token: 'The token of the account that the user has connected at the server.',
  missing: 'The server wants a credential of the caller’s, and the request brings none.',
  none: 'None.',
} as const satisfies Record<CredentialPlan['source'], string>

function credentialText({ source, missingVariables: unset }: CredentialPlan, isOther: boolean): string {
  if (unset.length > 0) return `The user has not set all variables of the server: ${unset.join(', ')} (user-env-vars).`
  return isOther ? `${credentials[source]} A request may bring one of its own.` : credentials[source]
}
