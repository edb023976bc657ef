import { type Clock, GatewayError, type ProtocolEra, type Scope } from '@toolgate/core'
import type { Connection, Handshake } from '../../upstream/connection.ts'
import { withinStage } from '../../upstream/within-stage.ts'
import { isRefusedAsUnknown } from '../legacy-fallback.ts'
import type { ConnectRequest } from '../transport.ts'
import { createEraMemory, eraOf, type EraVerdict } from './era-memory.ts'

/** The ways to one server. */
export interface EraWays {
  /** What `server/discover` said; undefined where the server answered that it does not know it. */
  discover(request: ConnectRequest): Promise<Handshake | undefined>
  /** Asks nobody. `onLost` is called once the server no longer speaks that era. */
  modern(request: ConnectRequest, handshake: Handshake, onLost: () => void): Connection
  /** Shakes hands. */
  legacy(request: ConnectRequest): Promise<Connection>
}

export interface Negotiation {
  connect(request: ConnectRequest): Promise<Connection>
  eraFor(wanted: ProtocolEra, scope: Scope): ProtocolEra | undefined
  readonly latest: EraVerdict | undefined
}

/**
 * Finds out once per server and credential which eras it speaks (ADR 0016), and again when it turns out otherwise. Only
 * what the server says about the question itself is an answer: one that refuses the credential, is down or does not
 * answer in time has said nothing.
 */
export function createNegotiation(clock: Clock, ways: EraWays): Negotiation {
  const memory = createEraMemory(clock)

  const modernly = (request: ConnectRequest, handshake: Handshake) =>
    ways.modern(request, handshake, () => memory.forget(request.credential.scope))

  /** By the newest era, whatever was remembered. */
  const anew = async (request: ConnectRequest): Promise<Connection> => {
    const { scope } = request.credential
    const handshake = await ways.discover(request)
    if (handshake !== undefined) {
      memory.note(scope, { modern: handshake, legacy: memory.recall(scope)?.legacy ?? true })
      return modernly(request, handshake)
    }
    const connection = await ways.legacy(request)
    memory.note(scope, { modern: undefined, legacy: true })
    return connection
  }

  /** By the handshake; where the server refuses it, and that it is a server of the new era alone explains why, by that. */
  const byHandshake = async (request: ConnectRequest): Promise<Connection> => {
    const { scope } = request.credential
    try {
      return await ways.legacy(request)
    } catch (refusal) {
      if (!mayBeTheEra(refusal)) throw refusal
      const handshake = await ways.discover(request)
      if (handshake === undefined) throw refusal
      memory.note(scope, { modern: handshake, legacy: false })
      return modernly(request, handshake)
    }
  }

  const negotiate = async (request: ConnectRequest): Promise<Connection> => {
    const known = memory.recall(request.credential.scope)
    if (request.era === 'legacy' && known?.legacy !== false) return byHandshake(request)
    if (known === undefined) return anew(request)
    return known.modern === undefined ? byHandshake(request) : modernly(request, known.modern)
  }

  return {
    connect(request) {
      const { name, timeouts } = request.server
      const place = { server: name, stage: 'handshake' } as const
      // Both ways within the bound of one.
      const bound = { clock, ms: timeouts.handshakeMs, place, signal: request.signal }
      return withinStage(bound, (signal) => negotiate({ ...request, signal }))
    },
    eraFor(wanted, scope) {
      const known = memory.recall(scope)
      if (wanted === 'legacy') return known?.legacy === false ? 'modern' : 'legacy'
      return known && eraOf(known)
    },
    get latest() {
      return memory.latest
    },
  }
}

/** The server read `initialize` and wants none of it. */
function mayBeTheEra(error: unknown): boolean {
  return isRefusedAsUnknown(error) || (error instanceof GatewayError && error.code === 'UPSTREAM_ERROR')
}
