import type { Clock, Credential } from '@toolgate/core'
import type { Connection } from './connection.ts'
import type { ToldLevel } from './log-level.ts'
import type { Lease } from './pool.ts'

export interface PooledConnectionOptions {
  readonly serverId: string
  readonly revision: string
  /** Whose quota it counts against; undefined where everybody shares it. */
  readonly holder: string | undefined
  /** The principal behind the holder. */
  readonly payer: string | undefined
  /** The downstream session that alone it serves. */
  readonly sessionId: string | undefined
  readonly exclusive: boolean
  readonly credential: Credential
  readonly clock: Clock
  /** Nobody may borrow it again: it leaves as soon as it is given back. */
  readonly lastUse: boolean
  /** It leaves the pool: it expired, or nobody may borrow it any more. Called once. */
  readonly onLeave: (connection: PooledConnection) => void
}

/** A connection, who has borrowed it and since when nobody has. It closes once, when it is to leave and is free. */
export class PooledConnection {
  readonly connection: Connection
  readonly serverId: string
  readonly revision: string
  readonly holder: string | undefined
  readonly payer: string | undefined
  readonly sessionId: string | undefined
  /** Resolves when it has closed. */
  readonly closed: Promise<void>

  readonly #clock: Clock
  readonly #exclusive: boolean
  readonly #credential: Credential
  readonly #lastUse: boolean
  readonly #onLeave: (connection: PooledConnection) => void
  readonly #close: () => void
  readonly #toldLevel: ToldLevel = {}
  #leases = 0
  #leaving = false
  #closing = false
  #lastUsedMs: number

  constructor(
    connection: Connection,
    {
      serverId,
      revision,
      holder,
      payer,
      sessionId,
      exclusive,
      credential,
      clock,
      lastUse,
      onLeave,
    }: PooledConnectionOptions,
  ) {
    this.connection = connection
    this.serverId = serverId
    this.revision = revision
    this.holder = holder
    this.payer = payer
    this.sessionId = sessionId
    this.#clock = clock
    this.#exclusive = exclusive
    this.#credential = credential
    this.#lastUse = lastUse
    this.#onLeave = onLeave
    this.#lastUsedMs = clock.monotonic()
    const { promise, resolve } = Promise.withResolvers<void>()
    this.closed = promise
    this.#close = () => void connection.close().finally(resolve)
  }

  /** Milliseconds since the last lease ended; undefined while it is borrowed. */
  get idleMs(): number | undefined {
    return this.#leases > 0 ? undefined : this.#clock.monotonic() - this.#lastUsedMs
  }

  get leaving(): boolean {
    return this.#leaving
  }

  lend(): Lease {
    this.#leases += 1
    let returned = false
    return {
      connection: this.connection,
      exclusive: this.#exclusive,
      toldLevel: this.#toldLevel,
      headers: () => this.#credential.headers(),
      discard: () => this.leave(),
      [Symbol.dispose]: () => {
        if (returned) return
        returned = true
        this.#leases -= 1
        this.#lastUsedMs = this.#clock.monotonic()
        if (this.#lastUse) this.leave()
        else this.#closeIfDone()
      },
    }
  }

  /** Takes it out of the pool; it closes as soon as everyone has given it back. */
  leave(): void {
    if (!this.#leaving) {
      this.#leaving = true
      this.#onLeave(this)
    }
    this.#closeIfDone()
  }

  /** Closes it under whoever still uses it. */
  abandon(): void {
    this.leave()
    this.#closeOnce()
  }

  #closeIfDone(): void {
    if (this.#leaving && this.#leases === 0) this.#closeOnce()
  }

  #closeOnce(): void {
    if (this.#closing) return
    this.#closing = true
    this.#close()
  }
}
