import type { ExplainedCredentialSource } from '@toolgate/auth'
import type { Secret } from '@toolgate/core'
import type { Gateway } from '@toolgate/manager'
import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import type { AppEnv } from '../app-env.ts'

export interface McpDebugOptions {
  readonly gateway: Pick<Gateway, 'select'>
  readonly credentials: Pick<ExplainedCredentialSource, 'plan'>
}

/** Shorter values are not shown in part: what is left out could be guessed. */
const shortestShownInPart = 16

/**
 * LiteLLM's `x-litellm-mcp-debug: true`: the answer says in its headers how the request was understood and with whose
 * credential its one server is asked. Of a secret it shows the first characters, and of the gateway's nothing.
 */
export function mcpDebug({ gateway, credentials }: McpDebugOptions) {
  return createMiddleware<AppEnv>(async function mcpDebug(context, next) {
    if (context.req.header('x-litellm-mcp-debug')?.trim().toLowerCase() !== 'true') return next()
    await next()
    const { caller, admission, onlyServer } = context.var
    if (caller === undefined) return
    say(context, 'inbound-auth', `${admission.credentialHeader ?? 'none'} (${caller.principal.source})`)
    say(context, 'oauth2-token', masked(caller.forwarded.authorization))
    const [server] = onlyServer === undefined ? [] : gateway.select(caller, [onlyServer]).servers
    if (server === undefined) return
    const { source, authType } = credentials.plan(server, caller, { onlyServer: true })
    say(context, 'auth-resolution', source)
    say(context, 'server-auth-type', authType)
    if (caller.principal.admin) say(context, 'outbound-url', server.address)
  })
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
