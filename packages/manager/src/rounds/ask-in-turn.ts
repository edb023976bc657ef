import { type AuthorizedCall, type Clock, type JsonObject, type NewId, sleep } from '@toolgate/core'
import type { ManagedServer } from '../registry/managed-server.ts'
import { outOfProtocol } from '../upstream/failure.ts'
import { usableCapabilities } from '../upstream/isolation.ts'
import { askPeer } from './ask-peer.ts'
import { type Exchange, withState } from './exchange.ts'
import { readInputRequired, requireUsable } from './input-required.ts'

/** Rounds that the gateway goes on behalf of a client that cannot. */
const maxRounds = 10

/** Milliseconds before a server is asked again that wanted nothing but that. */
const pauseMs = 250

/**
 * For a caller that does not know rounds: it is asked what the server wants to know while its call runs, where it has a
 * session to be asked in, and the gateway goes back to the server with the answers.
 */
export async function askInTurn(
  call: AuthorizedCall,
  { server, exchange }: { readonly server: ManagedServer; readonly exchange: Exchange },
  { clock, newId }: { readonly clock: Clock; readonly newId: NewId },
): Promise<JsonObject> {
  const { peer, signal } = call.caller
  let params = call.params
  for (let round = 1; ; round += 1) {
    const { result, era } = await exchange({ params, peer, signal })
    const needed = era === 'modern' ? readInputRequired(result, server.name) : undefined
    if (needed === undefined) return result
    requireUsable(needed, usableCapabilities(server, peer), server.name)
    if (round === maxRounds) {
      throw outOfProtocol({ server: server.name, stage: 'call' }, `a request for input ${maxRounds} times in a row`)
    }
    if (needed.requests.size === 0) await sleep(clock, pauseMs, signal)
    const inputResponses = await askPeer(needed.requests, { peer, signal, newId })
    params = withState({ ...call.params, inputResponses }, { upstream: needed.state })
  }
}
