import { isDeepStrictEqual } from 'node:util'
import type { Clock, JsonObject, Logger } from '@toolgate/core'
import { type Database, followChanges, type StopListening } from '@toolgate/db'
import { hashesOf } from '../catalog/list-digest.ts'
import type { Listing } from '../catalog/listing.ts'
import { withinDeadline } from '../upstream/within-deadline.ts'
import type { ManagedServer } from '../registry/managed-server.ts'
import { type Approvals, noApprovals, reviewListing } from './review.ts'
import { toolDefinitionChangesChannel, type ToolDefinitions } from './tool-definitions.ts'

/**
 * What tools say of themselves, compared with what was approved. Approvals are in memory, follow the store within two
 * seconds, and are looked at whenever a list or a name is: a decision holds without anybody asking the server again.
 *
 * Fail-closed: while the approvals of a server could not be read since the start, or a definition is not known to be approved,
 * `hold` withholds. A store that goes away later changes nothing for what was approved before.
 */
export interface ToolTrust {
  /** For every list that is read, for whomever: has what is new in it kept. Answers the list with its hashes. Never rejects. */
  observe(server: ManagedServer, listing: Listing): Promise<Listing>
  /** The list as callers may see it at this moment. */
  review(server: ManagedServer, listing: Listing): Listing
  /** After a decision made here: it holds when this resolves. */
  refresh(serverId: string): Promise<void>
  /** Removes what is known of a server that is gone for good. Rejects with `STORE_UNAVAILABLE`. */
  forget(serverId: string): Promise<void>
  /** Hears of every server of which a decision changed. Must not throw. */
  watch(watcher: (serverId: string) => void): void
  start(): Promise<void>
  close(): Promise<void>
}

export interface ToolTrustOptions {
  readonly store: ToolDefinitions
  readonly feed: Pick<Database, 'listen'>
  readonly clock: Clock
  readonly log: Logger
}

/** Milliseconds that the reading of a list waits for the store; until it has answered, what is new is held. */
const patienceMs = 5_000

export function createToolTrust(options: ToolTrustOptions): ToolTrust {
  return new FollowedTrust(options)
}

/** Compares nothing: for lists that are shown to nobody but an administrator. */
export const comparesNothing: Pick<ToolTrust, 'observe' | 'review' | 'forget'> = {
  observe: async (_server, listing) => listing,
  review: (_server, listing) => listing,
  forget: async () => {},
}

interface Unkept {
  readonly server: ManagedServer
  readonly listing: Listing
}

class FollowedTrust implements ToolTrust {
  readonly #options: ToolTrustOptions
  /** Of pinned servers whose lists were read: as many as there are servers. */
  readonly #approvals = new Map<string, Approvals>()
  /** The last list of each server that the store has not seen yet. */
  readonly #unkept = new Map<string, Unkept>()
  /** What was made of a list holds as long as both are the same. */
  readonly #reviewed = new WeakMap<Listing, { readonly approvals: Approvals; readonly listing: Listing }>()
  readonly #watchers: ((serverId: string) => void)[] = []
  /** The last question about each server that is under way: an older answer must not take the place of a newer one. */
  readonly #turns = new Map<string, Promise<unknown>>()
  #storeAnswers = true
  #following: StopListening | undefined

  constructor(options: ToolTrustOptions) {
    this.#options = options
  }

  async observe(server: ManagedServer, listing: Listing): Promise<Listing> {
    if (server.toolPinning === 'off') return listing
    const hashed = { ...listing, hashes: await hashesOf(listing) }
    const { clock } = this.#options
    await withinDeadline(this.#keep({ server, listing: hashed }), { clock, ms: patienceMs, late: () => undefined })
    return hashed
  }

  review(server: ManagedServer, listing: Listing): Listing {
    if (server.toolPinning === 'off') return listing
    const approvals = this.#approvals.get(server.id) ?? noApprovals
    const known = this.#reviewed.get(listing)
    if (known?.approvals === approvals) return known.listing
    const reviewed = reviewListing(listing, { approvals, pinning: server.toolPinning })
    this.#reviewed.set(listing, { approvals, listing: reviewed })
    return reviewed
  }

  async refresh(serverId: string): Promise<void> {
    const isNews = await this.#inTurn(serverId, async () => {
      if (!this.#approvals.has(serverId)) return false
      const approvals = approvalsOf(await this.#contact(() => this.#options.store.load(serverId)))
      // The poll finds a change several times.
      if (isDeepStrictEqual(this.#approvals.get(serverId), approvals)) return false
      this.#approvals.set(serverId, approvals)
      return true
    })
    if (isNews) for (const watcher of this.#watchers) watcher(serverId)
  }

  async forget(serverId: string): Promise<void> {
    await this.#inTurn(serverId, async () => {
      this.#approvals.delete(serverId)
      this.#unkept.delete(serverId)
      await this.#options.store.forget(serverId)
    })
  }

  watch(watcher: (serverId: string) => void): void {
    this.#watchers.push(watcher)
  }

  async start(): Promise<void> {
    const { store, feed, clock, log } = this.#options
    this.#following = await followChanges({
      of: 'tool definitions',
      channel: toolDefinitionChangesChannel,
      feed,
      clock,
      log,
      changedSince: async (mark, signal) => {
        const answer = await this.#contact(() => store.changedSince(mark, signal))
        for (const unkept of this.#unkept.values()) void this.#keep(unkept)
        return answer
      },
      // The poll finds it as well.
      heard: (serverId) => void this.refresh(serverId).catch(() => undefined),
      found: (changes) => this.#refreshAll(changes.map(({ id }) => id)),
      lost: () => this.#refreshAll([...this.#approvals.keys()]),
    })
  }

  async close(): Promise<void> {
    await this.#following?.()
  }

  async #refreshAll(serverIds: readonly string[]): Promise<void> {
    await Promise.all(serverIds.map((serverId) => this.refresh(serverId)))
  }

  /** Never rejects: what could not be kept is held meanwhile, and kept once the store answers. */
  async #keep(unkept: Unkept): Promise<void> {
    const { id } = unkept.server
    try {
      await this.#inTurn(id, () => this.#compare(unkept))
      if (this.#unkept.get(id) === unkept) this.#unkept.delete(id)
    } catch {
      // Logged where the store is asked.
      this.#unkept.set(id, unkept)
    }
  }

  async #compare({ server, listing }: Unkept): Promise<void> {
    const { store, log } = this.#options
    const approvals = this.#approvals.get(server.id) ?? approvalsOf(await this.#contact(() => store.load(server.id)))
    this.#approvals.set(server.id, approvals)
    const isNew = ({ name, hash }: SeenTool) => approvals.verdicts.get(name)?.has(hash) !== true
    const seen = seenIn(listing).filter(isNew)
    if (seen.length === 0) return
    const { first, definitions } = await this.#contact(() => store.observe(server.id, seen))
    this.#approvals.set(server.id, approvalsOf(definitions))
    const tools = seen.map(({ name }) => name)
    const line = {
      server: server.name,
      tool_pinning: server.toolPinning,
      tools: tools.slice(0, mostNamed),
      count: tools.length,
    }
    if (first) log.info(line, 'first list of a pinned server: its tools are trusted as they are')
    else log.warn(line, server.toolPinning === 'hold' ? 'tools are held until they are approved' : 'tools changed')
  }

  /** One question about a server at a time. The store bounds each in time. */
  async #inTurn<Answer>(serverId: string, ask: () => Promise<Answer>): Promise<Answer> {
    const before = this.#turns.get(serverId)
    const answer = before === undefined ? ask() : before.then(ask, ask)
    this.#turns.set(serverId, answer)
    try {
      return await answer
    } finally {
      if (this.#turns.get(serverId) === answer) this.#turns.delete(serverId)
    }
  }

  async #contact<Answer>(question: () => Promise<Answer>): Promise<Answer> {
    const { log } = this.#options
    try {
      const answer = await question()
      if (!this.#storeAnswers) log.info({}, 'The store of tool definitions answers again.')
      this.#storeAnswers = true
      return answer
    } catch (error) {
      if (this.#storeAnswers)
        log.warn(
          { err: error },
          'The store of tool definitions does not answer: what is not known to be approved is held.',
        )
      this.#storeAnswers = false
      throw error
    }
  }
}

/** Tools that one line of the log names. */
const mostNamed = 50

interface SeenTool {
  readonly name: string
  readonly hash: string
  readonly definition: JsonObject
}

function seenIn({ byName, hashes }: Listing): SeenTool[] {
  return [...byName].flatMap(([name, definition]) => {
    const hash = hashes?.get(name)
    return hash === undefined ? [] : [{ name, hash, definition }]
  })
}

function approvalsOf(definitions: Awaited<ReturnType<ToolDefinitions['load']>>): Approvals {
  const verdicts = new Map<string, Map<string, (typeof definitions)[number]['verdict']>>()
  for (const { name, hash, verdict } of definitions) {
    const ofTool = verdicts.get(name) ?? new Map()
    verdicts.set(name, ofTool.set(hash, verdict))
  }
  return { verdicts, known: true }
}
