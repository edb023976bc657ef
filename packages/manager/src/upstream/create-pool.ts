import {
  type Cancel,
  type Clock,
  connectionKey,
  type Credential,
  createSingleFlight,
  GatewayError,
  type JsonRpcNotification,
  type Logger,
  type MaybePromise,
  type NewId,
  randomId,
} from '@toolgate/core'
import type { ManagedServer } from '../registry/managed-server.ts'
import { busy, cancelled } from './failure.ts'
import { clientCapabilitiesFor, isExclusive } from './isolation.ts'
import type { Connection } from './connection.ts'
import type { AcquireRequest, Lease, Pool, Whose } from './pool.ts'
import { type Place, placeOf } from './place.ts'
import { PooledConnection } from './pooled-connection.ts'

export interface PoolOptions {
  readonly clock: Clock
  readonly log: Logger
  readonly newId?: NewId
  /** Hears what a server says outside any request, such as `notifications/tools/list_changed`. */
  readonly onUnsolicited?: (server: ManagedServer, notification: JsonRpcNotification, whose: Whose) => void
  /** Whether the registry still has this revision: a connection of another serves the call that found it, and no more. */
  readonly isCurrent?: (server: ManagedServer) => boolean
  readonly bounds?: Partial<PoolBounds>
}

export interface PoolBounds {
  /** Connections in all, those being made included. */
  readonly connections: number
  /** Connections that serve one principal, or one holder of a credential. */
  readonly connectionsPerHolder: number
  /** Connections that serve one principal with all the credentials it brings. */
  readonly connectionsPerPrincipal: number
  /** Milliseconds after which a connection that nobody borrows is closed. */
  readonly idleMs: number
  /** Milliseconds for closing the pool; calls in flight get half of it to finish. */
  readonly closeMs: number
}

export const defaultPoolBounds: PoolBounds = {
  connections: 256,
  connectionsPerHolder: 16,
  connectionsPerPrincipal: 64,
  idleMs: 5 * 60_000,
  closeMs: 5_000,
}

/** Sweeps per idle time: how late a connection is closed at most. */
const sweepsPerIdleTime = 10

/** Places found to keep no session that are remembered; the oldest is forgotten first, and learnt again. */
const maxRemembered = 4_096

/** How often a connection that closed between being made and being lent is replaced. */
const maxAttempts = 3

/** The pool of a gateway. Runs one timer until {@link Pool.close}. */
export function createPool(options: PoolOptions): Pool {
  return new ConnectionPool(options)
}

class ConnectionPool implements Pool {
  readonly #clock: Clock
  readonly #log: Logger
  readonly #newId: NewId
  readonly #onUnsolicited: (server: ManagedServer, notification: JsonRpcNotification, whose: Whose) => void
  readonly #isCurrent: (server: ManagedServer) => boolean
  readonly #bounds: PoolBounds
  readonly #byKey = new Map<string, PooledConnection>()
  readonly #leaving = new Set<PooledConnection>()
  readonly #pending = new Set<PendingConnection>()
  readonly #flights = createSingleFlight<PooledConnection>()
  readonly #sessionless = new Set<string>()
  readonly #closing = new AbortController()
  readonly #cancelSweep: Cancel

  constructor(options: PoolOptions) {
    const { clock, log, newId = randomId, onUnsolicited = () => {}, isCurrent = () => true, bounds = {} } = options
    this.#clock = clock
    this.#log = log
    this.#newId = newId
    this.#onUnsolicited = onUnsolicited
    this.#isCurrent = isCurrent
    this.#bounds = { ...defaultPoolBounds, ...bounds }
    this.#cancelSweep = clock.every(this.#bounds.idleMs / sweepsPerIdleTime, () => this.#sweep())
  }

  get size(): number {
    return this.#byKey.size
  }

  acquire(request: AcquireRequest): MaybePromise<Lease> {
    const { server } = request
    const place = placeOf(request, {
      isSessionless: (memory) => this.#sessionless.has(memory),
      callId: () => this.#newId('connection'),
    })
    const key = connectionKey(server, place.scope, place.isolation)
    return this.#usable(key)?.lend() ?? this.#made(key, place, request)
  }

  async #made(key: string, place: Place, request: AcquireRequest): Promise<Lease> {
    const { server, signal } = request
    try {
      for (let attempt = 1; ; attempt += 1) {
        const made = await this.#flights(key, signal, (flight) => this.#create(key, place, { request, flight }))
        if (!made.leaving && made.connection.open) return made.lend()
        if (attempt === maxAttempts) throw busy({ server: server.name, stage: 'connect' }, 'connections do not last')
      }
    } catch (error) {
      if (!signal.aborted || error instanceof GatewayError) throw error
      throw cancelled({ server: server.name, stage: 'connect' }, signal.reason)
    }
  }

  retire(serverId: string, currentRevision?: string): void {
    for (const entry of this.#byKey.values()) {
      if (entry.serverId === serverId && entry.revision !== currentRevision) entry.leave()
    }
    for (const pending of this.#pending) {
      if (pending.serverId === serverId && pending.revision !== currentRevision) pending.lastUse = true
    }
  }

  retireSession(sessionId: string): void {
    for (const entry of this.#byKey.values()) {
      if (entry.sessionId === sessionId) entry.leave()
    }
    for (const pending of this.#pending) {
      if (pending.sessionId === sessionId) pending.lastUse = true
    }
  }

  ofSession(sessionId: string): readonly Lease[] {
    const own = [...this.#byKey.values()].filter((entry) => entry.sessionId === sessionId && entry.connection.open)
    return own.map((entry) => entry.lend())
  }

  async close(): Promise<void> {
    const { closeMs } = this.#bounds
    this.#cancelSweep()
    this.#closing.abort(shuttingDown())
    for (const entry of this.#byKey.values()) entry.leave()
    await this.#closed(closeMs / 2)
    for (const entry of this.#leaving) entry.abandon()
    await this.#closed(closeMs / 2)
  }

  /** Resolves when nothing is left to close, at the latest after `ms`. */
  async #closed(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = this.#clock.after(ms, resolve)
    await Promise.race([Promise.all([...this.#leaving].map(({ closed }) => closed)), promise])
    cancel()
  }

  #usable(key: string): PooledConnection | undefined {
    const entry = this.#byKey.get(key)
    if (entry === undefined || entry.connection.open) return entry
    entry.leave()
    return undefined
  }

  async #create(
    key: string,
    place: Place,
    { request: { server, credential, caller }, flight }: { request: AcquireRequest; flight: AbortSignal },
  ): Promise<PooledConnection> {
    this.#closing.signal.throwIfAborted()
    this.#makeRoom(server, place)
    const { kind, holder, payer, wanted, memory } = place
    const sessionId = kind === 'session' ? caller?.peer.sessionId : undefined
    const whose = { holder: payer, sessionId }
    const pending = {
      serverId: server.id,
      revision: server.revision,
      holder,
      payer,
      sessionId,
      exclusive: isExclusive(kind),
      credential,
      lastUse: kind === 'call' || !this.#isCurrent(server),
    }
    this.#pending.add(pending)
    try {
      const connection = await server.transport.connect({
        server,
        credential,
        caller,
        era: wanted,
        clientCapabilities: clientCapabilitiesFor(kind, { server, caller }),
        exclusive: pending.exclusive,
        signal: AbortSignal.any([flight, this.#closing.signal]),
        onUnsolicited: (notification) => this.#onUnsolicited(server, notification, whose),
      })
      this.#learn(memory, connection.sessionful)
      return this.#add(key, connection, pending)
    } finally {
      this.#pending.delete(pending)
    }
  }

  #add(key: string, connection: Connection, pending: PendingConnection): PooledConnection {
    const onLeave = (leaving: PooledConnection) => {
      if (this.#byKey.get(key) === leaving) this.#byKey.delete(key)
      this.#leaving.add(leaving)
      void leaving.closed.then(() => this.#leaving.delete(leaving))
    }
    const entry = new PooledConnection(connection, { ...pending, clock: this.#clock, onLeave })
    this.#byKey.set(key, entry)
    if (this.#closing.signal.aborted) entry.leave()
    return entry
  }

  /**
   * At a bound something idle goes: of the holder itself, of the same principal, and at the bound of all the idlest of those
   * who have most, if they have more than the newcomer. Nobody takes another's share, so where that frees nothing, none
   * means no.
   */
  #makeRoom({ name }: ManagedServer, { holder, payer }: Place): void {
    const { connections, connectionsPerHolder, connectionsPerPrincipal } = this.#bounds
    const everyone = [...this.#byKey.values(), ...this.#pending]
    const held = everyone.filter((entry) => entry.holder === holder).length
    const paid = everyone.filter((entry) => entry.payer === payer).length
    const holderIsFull = holder !== undefined && held >= connectionsPerHolder
    const payerIsFull = payer !== undefined && paid >= connectionsPerPrincipal
    if (!holderIsFull && !payerIsFull && everyone.length < connections) return
    const leaving =
      this.#idlest((entry) => entry.holder === holder) ??
      (holderIsFull || payer === undefined ? undefined : this.#idlest((entry) => entry.payer === payer)) ??
      (holderIsFull || payerIsFull ? undefined : this.#idlestOfGreediest(payer))
    if (leaving === undefined) {
      const facts = { server: name, holderIsFull, payerIsFull, connections: everyone.length }
      this.#log.warn(facts, 'no upstream connection left to lend')
      throw busy({ server: name, stage: 'connect' }, 'too many upstream connections are in use')
    }
    leaving.leave()
  }

  #idlest(among: (entry: PooledConnection) => boolean): PooledConnection | undefined {
    return [...this.#byKey.values()]
      .filter((entry) => entry.idleMs !== undefined && among(entry))
      .toSorted((left, right) => (right.idleMs ?? 0) - (left.idleMs ?? 0))[0]
  }

  #idlestOfGreediest(newcomer: string | undefined): PooledConnection | undefined {
    const shares = new Map<string, number>()
    for (const { payer } of this.#byKey.values()) {
      if (payer !== undefined) shares.set(payer, (shares.get(payer) ?? 0) + 1)
    }
    const ownShare = (newcomer !== undefined && shares.get(newcomer)) || 0
    const most = Math.max(0, ...shares.values())
    if (most <= ownShare) return undefined
    return this.#idlest(({ payer }) => payer !== undefined && shares.get(payer) === most)
  }

  #sweep(): void {
    for (const entry of this.#byKey.values()) {
      if (!entry.connection.open || (entry.idleMs ?? 0) >= this.#bounds.idleMs) entry.leave()
    }
  }

  /** By server and credential: a server may keep sessions for one holder and none for another. */
  #learn(memory: string, sessionful: boolean): void {
    this.#sessionless.delete(memory)
    if (sessionful) return
    this.#sessionless.add(memory)
    const oldest = this.#sessionless.values().next().value
    if (this.#sessionless.size > maxRemembered && oldest !== undefined) this.#sessionless.delete(oldest)
  }
}

/** One that is being made: it counts, and its server may be retired meanwhile. */
interface PendingConnection {
  readonly serverId: string
  readonly revision: string
  readonly holder: string | undefined
  readonly payer: string | undefined
  readonly sessionId: string | undefined
  readonly exclusive: boolean
  readonly credential: Credential
  lastUse: boolean
}

function shuttingDown(): GatewayError {
  return new GatewayError('SHUTTING_DOWN', 'The gateway is shutting down.')
}
