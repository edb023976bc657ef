import { GatewayError } from '@toolgate/core'
import type { ManagedServer } from './managed-server.ts'
import type { LocateRequest } from './name-map.ts'
import { heldReadings, heldReason, isListed, type NameView, type Reading, wasListed } from './name-reading.ts'
import type { Registry } from './registry.ts'

export interface RefusingHeldOptions {
  readonly registry: Pick<Registry, 'list'>
  readonly view: { over(request: LocateRequest, servers: readonly ManagedServer[]): Promise<NameView> }
  /** Reads lists that were never read. */
  fetch(request: LocateRequest, servers: readonly ManagedServer[]): Promise<void>
}

/**
 * A tool of a server that holds is called by a definition that was compared, or not at all: where its list was never read,
 * it is read first. What a name would mean but for its being held is said so; only what the caller may use ever is.
 */
export function refusingHeld({ registry, view, fetch }: RefusingHeldOptions) {
  const compared = async (request: LocateRequest, found: Reading): Promise<Reading | undefined> => {
    if (!isHolding(found.server)) return found
    let seen = await view.over(request, [found.server])
    if (!wasListed(seen, found.server)) {
      await fetch(request, [found.server])
      seen = await view.over(request, [found.server])
    }
    if (isListed(seen, found)) return found
    const reason = heldReason(seen, found)
    if (reason !== undefined) throw held(request.name, reason)
    if (!wasListed(seen, found.server)) throw held(request.name, unread)
    return undefined
  }

  return async (request: LocateRequest, found: Reading | undefined): Promise<Reading | undefined> => {
    const { includes, name, server } = request
    if (found !== undefined) return compared(request, found)
    const servers = (server ? [server] : registry.list().filter(includes)).filter(isHolding)
    if (servers.length === 0) return undefined
    const seen = await view.over(request, servers)
    const [reason] = heldReadings(seen, name).map((reading) => heldReason(seen, reading))
    if (reason !== undefined) throw held(name, reason)
    return undefined
  }
}

const unread =
  'The list of its server could not be read, so its definition could not be compared with what was approved.'

function isHolding({ toolPinning }: ManagedServer): boolean {
  return toolPinning === 'hold'
}

function held(name: string, reason: string): GatewayError {
  return new GatewayError('TOOL_HELD', `Tool "${name}" is held back. ${reason}`, { details: { reason } })
}
