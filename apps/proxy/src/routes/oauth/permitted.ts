/** Which servers a principal may use, for whoever signs in. */
import { type NewId, nothingForwarded, type Principal, silentPeer } from '@toolgate/core'
import type { Gateway, ManagedServer } from '@toolgate/manager'
import type { McpEndpoint } from '../../mcp-endpoint.ts'

export interface PermittedOptions {
  readonly gateway: Pick<Gateway, 'select'>
  readonly newId: NewId
  readonly signal: AbortSignal
}

/** What this key may use, by the name that the link has. What it may not use reads like what does not exist. */
export function permitted(principal: Principal, named: string, options: PermittedOptions): ManagedServer | undefined {
  return selected(principal, options, [named])[0]
}

/** The server of an endpoint that is of one. */
export function permittedAt(
  endpoint: McpEndpoint | undefined,
  principal: Principal,
  options: PermittedOptions,
): ManagedServer | undefined {
  const [named, ...others] = endpoint?.names ?? []
  return named === undefined || others.length > 0 ? undefined : permitted(principal, named, options)
}

export function isOfEveryServer({ names, toolset, onlySearch }: McpEndpoint): boolean {
  return names === undefined && toolset === undefined && onlySearch !== true
}

/**
 * Of all servers the only one at which people sign in. One whose clients hold its tokens themselves is none: a token of everything
 * cannot be that server's.
 */
export function onlySignIn(principal: Principal, options: PermittedOptions): ManagedServer | undefined {
  const signIns = selected(principal, options).filter(
    ({ auth }) => auth.userTokens !== undefined || auth.relay !== undefined,
  )
  const [only, ...others] = signIns
  return others.length > 0 || only?.auth.relay !== undefined ? undefined : only
}

function selected(
  principal: Principal,
  { gateway, newId, signal }: PermittedOptions,
  names?: readonly string[],
): readonly ManagedServer[] {
  const request = { requestId: newId('req'), traceId: newId('trace'), door: 'oauth' }
  const caller = { principal, forwarded: nothingForwarded, signal, request, peer: silentPeer }
  return gateway.select(caller, names).servers
}
