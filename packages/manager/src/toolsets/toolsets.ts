import type { Clock, Logger } from '@toolgate/core'
import { type Database, followChanges, type StopListening, type ToolsetRow } from '@toolgate/db'
import { type StoredToolsets, toolsetChangesChannel } from './stored-toolsets.ts'
import type { Toolset, ToolsetLookup } from './toolset.ts'

/**
 * All toolsets in memory, as the store has them: no list and no call asks it. A change holds here within two seconds of its
 * commit, wherever it was made. Fail-closed: while they could not be read since the start there are none; a store that goes
 * away later leaves the ones that were read.
 */
export interface Toolsets extends ToolsetLookup {
  /** After a change made here: it holds when this resolves. Rejects with `STORE_UNAVAILABLE`. */
  refresh(): Promise<void>
  /** Hears of the servers, by id, whose tools were in a toolset that changed, or are now. Must not throw. */
  watch(watcher: ToolsetWatcher): void
  start(): Promise<void>
  close(): Promise<void>
}

/** `former`: the toolsets as they were before. */
export type ToolsetWatcher = (serverIds: ReadonlySet<string>, former: ToolsetLookup) => void

export interface ToolsetsOptions {
  readonly store: Pick<StoredToolsets, 'list' | 'changedSince'>
  readonly feed: Pick<Database, 'listen'>
  readonly clock: Clock
  readonly log: Logger
}

export function createToolsets(options: ToolsetsOptions): Toolsets {
  return new FollowedToolsets(options)
}

class FollowedToolsets implements Toolsets {
  readonly #options: ToolsetsOptions
  readonly #watchers: ToolsetWatcher[] = []
  #byId: ReadonlyMap<string, Toolset> = new Map()
  #byName: ReadonlyMap<string, Toolset> = new Map()
  /** One reading after another: what was read first must not replace what was read last. */
  #reading: Promise<void> = Promise.resolve()
  #storeAnswers = true
  #following: StopListening | undefined

  constructor(options: ToolsetsOptions) {
    this.#options = options
  }

  find(handle: string): Toolset | undefined {
    return this.#byId.get(handle) ?? this.#byName.get(handle)
  }

  list(): readonly Toolset[] {
    return [...this.#byId.values()]
  }

  refresh(): Promise<void> {
    const read = this.#reading.then(() => this.#read())
    this.#reading = read.catch(() => undefined)
    return read
  }

  watch(watcher: ToolsetWatcher): void {
    this.#watchers.push(watcher)
  }

  async start(): Promise<void> {
    const { store, feed, clock, log } = this.#options
    this.#following = await followChanges({
      of: 'toolsets',
      channel: toolsetChangesChannel,
      feed,
      clock,
      log,
      changedSince: (mark, signal) => this.#contact(() => store.changedSince(mark, signal)),
      // The poll finds it as well.
      heard: () => void this.refresh().catch(() => undefined),
      found: async (changes) => {
        const isHere = ({ id, at }: { id: string; at: Date }) => (this.#byId.get(id)?.row.updatedAt ?? 0) >= at
        if (!changes.every(isHere)) await this.refresh()
      },
      lost: () => this.refresh(),
    })
  }

  async close(): Promise<void> {
    await this.#following?.()
    await this.#reading
  }

  async #read(): Promise<void> {
    const rows = await this.#contact(() => this.#options.store.list())
    const before = this.#byId
    const former = lookupIn(before, this.#byName)
    const current = rows.map((row) => unlessChanged(before.get(row.id), row))
    this.#byId = new Map(current.map((toolset) => [toolset.id, toolset]))
    this.#byName = new Map(current.map((toolset) => [toolset.name, toolset]))
    const left = [...before.values()].filter((toolset) => this.#byId.get(toolset.id) !== toolset)
    const come = current.filter((toolset) => before.get(toolset.id) !== toolset)
    const concerned = new Set([...left, ...come].flatMap(({ tools }) => [...tools.keys()]))
    if (concerned.size === 0) return
    for (const watcher of this.#watchers) watcher(concerned, former)
  }

  async #contact<Answer>(question: () => Promise<Answer>): Promise<Answer> {
    const { log } = this.#options
    try {
      const answer = await question()
      if (!this.#storeAnswers) log.info({}, 'The store of toolsets answers again.')
      this.#storeAnswers = true
      return answer
    } catch (error) {
      if (this.#storeAnswers)
        log.warn({ err: error }, 'The store of toolsets does not answer: the toolsets that were read stay in force.')
      this.#storeAnswers = false
      throw error
    }
  }
}

function lookupIn(byId: ReadonlyMap<string, Toolset>, byName: ReadonlyMap<string, Toolset>): ToolsetLookup {
  return { find: (handle) => byId.get(handle) ?? byName.get(handle), list: () => [...byId.values()] }
}

function unlessChanged(known: Toolset | undefined, row: ToolsetRow): Toolset {
  return known !== undefined && known.row.updatedAt.getTime() === row.updatedAt.getTime() ? known : toToolset(row)
}

function toToolset(row: ToolsetRow): Toolset {
  const byServer = Map.groupBy(row.tools, ({ server_id }) => server_id)
  const tools = [...byServer].map(([id, some]) => [id, new Set(some.map(({ tool_name }) => tool_name))] as const)
  return { id: row.id, name: row.name, tools: new Map(tools), row }
}
