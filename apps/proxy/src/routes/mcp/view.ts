import { type Caller, GatewayError } from '@toolgate/core'
import type { Gateway, ManagedServer, Reach } from '@toolgate/manager'
import { listOf, type McpEndpoint } from '../../mcp-endpoint.ts'

/** What one request can see: never more than its caller may use, and less where its endpoint or its headers say so. */
export interface View extends Reach {
  /**
   * The one server of an endpoint of its own: its names carry no prefix, and its faults are the answer. Absent: several
   * servers behind one, however many there are at the moment.
   */
  readonly single?: ManagedServer | undefined
  /** What was asked for; absent: everything. */
  readonly names?: readonly string[] | undefined
  /** What was asked for and leads to no server of the caller. */
  readonly unresolved: readonly string[]
}

export interface ViewRequest {
  readonly caller: Caller
  readonly endpoint: McpEndpoint
  /** `x-mcp-servers`. It counts where the path names nothing. */
  readonly header: string | undefined
}

/** The servers that an endpoint leads to. */
export function serversOf(
  gateway: Pick<Gateway, 'select' | 'toolset'>,
  { caller, endpoint, header }: ViewRequest,
): readonly ManagedServer[] {
  if (endpoint.toolset !== undefined) return gateway.toolset(caller, endpoint.toolset)?.servers ?? []
  return gateway.select(caller, namesIn(endpoint, header)).servers
}

function namesIn({ names }: McpEndpoint, header: string | undefined): readonly string[] | undefined {
  return names ?? (header === undefined ? undefined : listOf(header))
}

const everything: View = { unresolved: [] }

/**
 * Fails closed: a request that asks for servers and gets none of them is refused, and what cannot be resolved never stands
 * for "all".
 */
export function viewOf(gateway: Pick<Gateway, 'select' | 'toolset'>, { caller, endpoint, header }: ViewRequest): View {
  if (endpoint.toolset !== undefined) return toolsetView(gateway, caller, endpoint.toolset)
  const names = namesIn(endpoint, header)
  const { onlySearch = false } = endpoint
  if (names === undefined) return onlySearch ? { ...everything, onlySearch } : everything
  const { servers, unresolved, reach } = gateway.select(caller, names)
  const [first] = servers
  if (names.length === unresolved.length) throw notAllowed(names)
  const sole = names.length === 1 && first !== undefined && isNamed(first, names[0]) ? first : undefined
  return {
    ...reach,
    onlySearch,
    sole: sole?.id,
    // A group stays an aggregate also while it has one member: names must not change with its size.
    single: endpoint.names === undefined ? undefined : sole,
    // A toolset may come to have other servers: what concerns a session is then asked of its caller alone.
    names: reach.tools === undefined ? names : undefined,
    unresolved,
  }
}

/** A toolset stays an aggregate, however many servers its tools are of; it is there also while its servers are not. */
function toolsetView(gateway: Pick<Gateway, 'toolset'>, caller: Caller, name: string): View {
  const selection = gateway.toolset(caller, name)
  if (selection === undefined) throw notAllowed([name])
  return { ...selection.reach, unresolved: [] }
}

function isNamed({ id, name, alias }: ManagedServer, handle: string | undefined): boolean {
  return handle === id || handle === name || handle === alias
}

/** One text for what does not exist and what is not the caller's. */
function notAllowed(names: readonly string[]): GatewayError {
  return new GatewayError(
    'SERVER_NOT_FOUND',
    `The key is not allowed to access the requested MCP servers: ${names.join(', ')}`,
  )
}

/** A key that may use nothing at all should hear so when it connects, and not wonder at an empty list. */
export function requireAnyServer(gateway: Pick<Gateway, 'select'>, caller: Caller): void {
  const { admin, grants } = caller.principal
  if (admin || (grants.allServers && !grants.noServers)) return
  const { servers, reach } = gateway.select(caller)
  // Where all that was granted is gone, the lists say so.
  if (servers.length > 0 || (reach.gone?.length ?? 0) > 0) return
  throw new GatewayError(
    'SERVER_NOT_FOUND',
    'The key has no MCP servers granted, so there is nothing to connect to. An administrator can grant some with `object_permission`.',
  )
}
