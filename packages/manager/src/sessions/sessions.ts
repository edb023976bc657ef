import { createSingleFlight, GatewayError, type JsonRpcId, type JsonRpcResponse, type Principal } from '@toolgate/core'
import type { StopListening } from '@toolgate/db'
import { type Notice, readNotice, writeNotice } from './notices.ts'
import { Session } from './session.ts'
import { defaultSessionBounds, type OpenSession, type SessionBounds, type SessionsOptions } from './session-options.ts'
import { createSessionRows, type SessionRows } from './session-rows.ts'
import { createStreams, type Streams } from './streams.ts'
import { sessionChannel } from './session-store.ts'

/**
 * Sessions of MCP clients, which any gateway of a database serves: a row is written when one is opened and read once
 * where it is first used; after that nothing is asked. Ends, replies and cancellations that concern another gateway
 * travel on the change feed.
 */
export interface Sessions {
  /** Rejects with `TOO_MANY_SESSIONS` where the caller has as many as it may and uses all of them. */
  open(principal: Principal, request: OpenSession): Promise<Session>
  /** Rejects with `SESSION_NOT_FOUND`, or with `SESSION_OF_ANOTHER` where it is not this principal's. */
  find(id: string, principal: Principal): Promise<Session>
  /** At every gateway. */
  setLogLevel(session: Session, level: string): Promise<void>
  /** What the client wants to hear of from now on, at every gateway. */
  setSubscriptions(session: Session, uris: ReadonlySet<string>): Promise<void>
  /** The client has other roots than before: its servers are told, at every gateway. */
  rootsChanged(session: Session): Promise<void>
  /** Ends it at every gateway. */
  end(session: Session): Promise<void>
  /** The client's answer to a request, be it asked here or elsewhere. */
  settle(session: Session, response: JsonRpcResponse): Promise<void>
  /** The client gives up one of its requests, be it here or elsewhere. */
  cancel(session: Session, requestId: JsonRpcId): Promise<void>
  /** What is sent on streams that may break. */
  readonly streams: Streams
  /** Those in memory here. */
  live(): Iterable<Session>
  /** One of them. Says nothing of who may use it. */
  here(id: string): Session | undefined
  start(): Promise<void>
  close(): Promise<void>
}

/** Milliseconds that mail and events of broken streams wait for whoever they concern. */
const keptMs = 5 * 60_000

export function createSessions(options: SessionsOptions): Sessions {
  return new SharedSessions(options)
}

class SharedSessions implements Sessions {
  readonly #options: SessionsOptions
  readonly #bounds: SessionBounds
  readonly streams: Streams
  readonly #live = new Map<string, Session>()
  readonly #ofOwner = new Map<string, Set<Session>>()
  readonly #loading = createSingleFlight<Session | undefined>()
  readonly #rows: SessionRows
  /** Part of the ids of requests to clients, so that no two gateways use the same. */
  readonly #self: string
  readonly #lifetime = new AbortController()
  #asked = 0
  #stopNoting: () => void = () => {}
  #stopListening: StopListening | undefined
  #noting: Promise<void> | undefined

  constructor(options: SessionsOptions) {
    this.#options = options
    this.#bounds = { ...defaultSessionBounds, ...options.bounds }
    this.#self = options.newId('gateway')
    this.#rows = createSessionRows(options.store)
    this.streams = createStreams({ ...options, announce: (notice) => this.#announce(notice) })
  }

  async open(principal: Principal, request: OpenSession): Promise<Session> {
    const { store, newId } = this.#options
    const kept = { client: undefined, logLevel: undefined, subscriptions: [] }
    const stored = { id: newId('session'), owner: principal.id, ...kept, ...request }
    const busy = [...(this.#ofOwner.get(principal.id) ?? [])].filter((one) => one.busy).map(({ id }) => id)
    const evicted = await store.open({ session: stored, cap: this.#bounds.perOwner, busy })
    if (evicted === undefined) {
      throw new GatewayError('TOO_MANY_SESSIONS', 'Too many active MCP sessions for this caller.')
    }
    for (const id of evicted) this.#drop(id)
    return this.#keep(new Session(stored, this.#sessionOptions()), principal)
  }

  async find(id: string, principal: Principal): Promise<Session> {
    const session = this.#fresh(id) ?? (await this.#loading(id, this.#lifetime.signal, () => this.#load(id)))
    if (session === undefined) throw notFound()
    if (session.owner !== principal.id) {
      throw new GatewayError('SESSION_OF_ANOTHER', 'mcp-session-id is bound to a different caller.')
    }
    session.principal = principal
    session.usedMs = this.#options.clock.monotonic()
    session.used = true
    return session
  }

  async setLogLevel(session: Session, level: string): Promise<void> {
    await this.#options.store.setLogLevel(session.id, level)
    this.#setLevel(session, level)
    await this.#announce({ kind: 'level', sessionId: session.id, level, from: this.#self })
  }

  async setSubscriptions(session: Session, uris: ReadonlySet<string>): Promise<void> {
    session.subscriptions = uris
    await this.#options.store.setSubscriptions(session.id, [...uris])
    await this.#announce({ kind: 'subscriptions', sessionId: session.id, uris: [...uris], from: this.#self })
  }

  async rootsChanged(session: Session): Promise<void> {
    this.#options.onRoots?.(session)
    await this.#announce({ kind: 'roots', sessionId: session.id, from: this.#self })
  }

  async end(session: Session): Promise<void> {
    await this.#options.store.end(session.id)
    this.#drop(session.id)
  }

  async settle(session: Session, response: JsonRpcResponse): Promise<void> {
    if (session.settle(response)) return
    const { id } = response
    // One of ours that nobody waits for any more, or nothing that was ever asked.
    if (typeof id !== 'string' || !isAskedBy(id) || id.startsWith(`${this.#self}.`)) return
    await this.#announce({ kind: 'reply', sessionId: session.id, response })
  }

  async cancel(session: Session, requestId: JsonRpcId): Promise<void> {
    if (session.cancel(requestId)) return
    await this.#announce({ kind: 'cancel', sessionId: session.id, requestId })
  }

  live(): Iterable<Session> {
    return this.#live.values()
  }

  here(id: string): Session | undefined {
    return this.#live.get(id)
  }

  async start(): Promise<void> {
    const { feed, clock, log } = this.#options
    this.#stopNoting = clock.every(this.#bounds.noteMs, () => void this.#note())
    try {
      const listener = { changed: (text: string) => void this.#hear(text), resumed: () => void this.#note() }
      this.#stopListening = await feed.listen(sessionChannel, listener)
    } catch (error) {
      // Fail-open: what ended elsewhere is found with the next note; replies that land elsewhere are lost until then.
      log.warn({ err: error }, 'the feed of sessions is not available')
    }
  }

  async close(): Promise<void> {
    this.#stopNoting()
    this.#lifetime.abort(new GatewayError('SHUTTING_DOWN', 'The gateway is shutting down.'))
    await this.#noting
    await this.#note(true)
    try {
      await this.#stopListening?.()
    } catch (error) {
      this.#options.log.debug({ err: error }, 'the feed of sessions could not be ended')
    }
    for (const session of this.#live.values()) session.end()
    this.#live.clear()
    this.#ofOwner.clear()
  }

  /** One in memory that was used lately; of another one only its row knows whether it was used elsewhere. */
  #fresh(id: string): Session | undefined {
    const session = this.#live.get(id)
    if (session === undefined || this.#options.clock.monotonic() - session.usedMs < this.#bounds.idleMs) return session
    if (session.busy) return session
    this.#drop(id)
    return undefined
  }

  async #load(id: string): Promise<Session | undefined> {
    const stored = await this.#rows.read(id)
    if (stored === undefined) return undefined
    return this.#live.get(id) ?? this.#keep(new Session(stored, this.#sessionOptions()), undefined)
  }

  #keep(session: Session, principal: Principal | undefined): Session {
    session.principal = principal
    this.#live.set(session.id, session)
    const { owner } = session
    this.#ofOwner.set(owner, (this.#ofOwner.get(owner) ?? new Set()).add(session))
    return session
  }

  #sessionOptions() {
    return { nowMs: this.#options.clock.monotonic(), newRequestId: () => `${this.#self}.${(this.#asked += 1)}` }
  }

  #drop(id: string): void {
    const session = this.#live.get(id)
    if (session === undefined) return
    this.#live.delete(id)
    const siblings = this.#ofOwner.get(session.owner)
    siblings?.delete(session)
    if (siblings?.size === 0) this.#ofOwner.delete(session.owner)
    session.end()
    this.#options.onEnd?.(session)
  }

  /** Tells the store what was used, learns what ended elsewhere, and drops what nobody uses. Never rejects. */
  #note(last = false): Promise<void> {
    this.#noting ??= this.#noteOnce(last).finally(() => {
      this.#noting = undefined
    })
    return this.#noting
  }

  async #noteOnce(last: boolean): Promise<void> {
    const { store, clock, log } = this.#options
    const { idleMs, noteMs } = this.#bounds
    const held = last ? [] : [...this.#live.values()].filter((session) => session.busy)
    const used = [...this.#live.values()].filter((session) => session.used && !held.includes(session))
    try {
      for (const session of used) session.used = false
      if (used.length + held.length > 0) {
        const ids = (sessions: readonly Session[]) => sessions.map(({ id }) => id)
        const present = new Set(await store.touch({ used: ids(used), held: ids(held), heldForMs: noteMs * 3 }))
        for (const { id } of [...used, ...held]) if (!present.has(id)) this.#drop(id)
      }
      if (last) return
      for (const session of this.#live.values()) {
        if (!session.busy && clock.monotonic() - session.usedMs >= idleMs) this.#drop(session.id)
      }
      await store.endIdle(idleMs)
      await store.forgetOld(keptMs)
    } catch (error) {
      // They are used on from memory; the next note tells it all.
      for (const session of used) session.used = true
      log.debug({ err: error }, 'the use of sessions could not be noted')
    }
  }

  async #announce(notice: Notice): Promise<void> {
    await this.#options.store.announce(writeNotice(notice))
  }

  async #hear(text: string): Promise<void> {
    const notice = readNotice(text)
    if (notice === undefined) return
    if (notice.kind === 'mail') return this.#fetch(notice.mailId)
    if (notice.kind === 'resume') return void this.streams.breakHere(notice.streamId)
    this.#rows.heardOf(notice.sessionId)
    const session = this.#live.get(notice.sessionId)
    if (session !== undefined) this.#take(session, notice)
  }

  #take(session: Session, notice: Exclude<Notice, { kind: 'mail' | 'resume' }>): void {
    if (notice.kind === 'end') this.#drop(session.id)
    else if (notice.kind === 'reply') session.settle(notice.response)
    else if (notice.kind === 'cancel') session.cancel(notice.requestId)
    // What came from here is done, and may not be the latest any more.
    else if (notice.from === this.#self) return
    else if (notice.kind === 'level') this.#setLevel(session, notice.level)
    else if (notice.kind === 'subscriptions') setOthers(session, notice.uris)
    else this.#options.onRoots?.(session)
  }

  #setLevel(session: Session, level: string): void {
    if (session.logLevel === level) return
    session.logLevel = level
    this.#options.onLogLevel?.(session)
  }

  async #fetch(mailId: string): Promise<void> {
    try {
      const body = await this.#options.store.takeMail(mailId)
      const notice = body === undefined ? undefined : readNotice(body)
      if (notice !== undefined && notice.kind !== 'mail') await this.#hear(writeNotice(notice))
    } catch (error) {
      // Whoever waits for it hears nothing until its own time is up.
      this.#options.log.warn({ err: error }, 'a message of another gateway could not be read')
    }
  }
}

/** Nothing where they are what they were. */
function setOthers(session: Session, uris: readonly string[]): void {
  const same = uris.length === session.subscriptions.size && uris.every((uri) => session.subscribed(uri))
  if (!same) session.subscriptions = new Set(uris)
}

/** `gateway_….17`: what a gateway asks a client. */
function isAskedBy(id: string): boolean {
  return /^gateway_\w+\.\d+$/.test(id)
}

function notFound(): GatewayError {
  return new GatewayError('SESSION_NOT_FOUND', 'This session has ended or never was. Initialize again.')
}
