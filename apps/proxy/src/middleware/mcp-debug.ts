import type { CredentialPlan, ExplainedCredentialSource } from '@toolgate/auth'
import type { Secret } from '@toolgate/core'
import type { ManagedServer } from '@toolgate/manager'
import type { Context } from 'hono'
import type { Aim, AppEnv } from '../app-env.ts'
import { requestHeader } from '../request-header.ts'
import type { Passage } from './joined.ts'

export interface McpDebugOptions {
  readonly credentials: Pick<ExplainedCredentialSource, 'plan'>
}

/** Shorter values are not shown in part: what is left out could be guessed. */
const shortestShownInPart = 16
/** A header has room for so many servers. */
const mostServers = 20

/**
 * LiteLLM's `x-litellm-mcp-debug: true`: the answer says in its headers how the request was understood and with which
 * credential its servers are asked. Of a secret it shows the first characters, and of the gateway's nothing.
 */
export function mcpDebug({ credentials }: McpDebugOptions): Passage {
  const told: Passage = async (context, next) => {
    await next()
    const { caller, admission, aims } = context.var
    if (caller === undefined) return
    say(context, 'inbound-auth', `${admission.credentialHeader ?? 'none'} (${caller.principal.source})`)
    say(context, 'oauth2-token', masked(caller.forwarded.authorization))
    const planned = await plansFor(aims, credentials)
    if (planned.length === 0) return
    const ofEach = (told: (one: Planned) => string) => listed(planned, told)
    say(
      context,
      'auth-resolution',
      ofEach(({ plan }) => plan.resolution),
    )
    say(
      context,
      'server-auth-type',
      ofEach(({ plan }) => plan.authType),
    )
    if (caller.principal.admin)
      say(
        context,
        'outbound-url',
        ofEach(({ server }) => server.address),
      )
  }
  return function mcpDebug(context, next) {
    const isWanted = requestHeader(context, 'x-litellm-mcp-debug')?.trim().toLowerCase() === 'true'
    return isWanted ? told(context, next) : next()
  }
}

interface Planned {
  readonly server: ManagedServer
  readonly plan: CredentialPlan
}

async function plansFor(
  aims: (() => Promise<readonly Aim[]>) | undefined,
  credentials: McpDebugOptions['credentials'],
): Promise<readonly Planned[]> {
  try {
    const pairs = ((await aims?.()) ?? []).flatMap(({ servers, ...aim }) =>
      servers.map((server) => ({ server, ...aim })),
    )
    return await Promise.all(
      pairs.slice(0, mostServers).map(async ({ server, caller, onlyServer }) => ({
        server,
        plan: await credentials.plan(server, caller, { onlyServer }),
      })),
    )
  } catch {
    // What was wrong with the request is its answer, which these headers only accompany.
    return []
  }
}

/** Of one server plainly, as in LiteLLM; of several by their names. */
function listed(planned: readonly Planned[], told: (one: Planned) => string): string {
  const [only, ...others] = planned
  if (only !== undefined && others.length === 0) return told(only)
  return planned.map((one) => `${one.server.prefix}=${told(one)}`).join(', ')
}

function say(context: Context<AppEnv>, what: string, value: string): void {
  // Names and addresses may hold what no header can carry.
  context.header(`x-mcp-debug-${what}`, value.replaceAll(/[^\x20-\x7e]/g, '?'))
}

function masked(secret: Secret | undefined): string {
  if (secret === undefined) return 'none'
  const [, scheme = '', value = ''] = /^(?:([A-Za-z]+) +)?(.*)$/s.exec(secret.reveal()) ?? []
  const shown = value.length >= shortestShownInPart ? value.slice(0, 4) : ''
  return `${scheme} ${shown}****`.trim()
}
