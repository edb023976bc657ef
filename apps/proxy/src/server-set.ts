/**
 * The servers of the file and the stored ones as one registry, built and then swapped. The file wins on the same id, name or
 * alias; a change of one never drops another, and what did not change keeps its connections. Changes of stored servers hold
 * here at once where they are made, and elsewhere within two seconds. While the store is away the last set goes on.
 */
import { type Clock, type Logger, oneAtATime } from '@toolgate/core'
import { type Database, followChanges, type McpServerRow, type StopListening } from '@toolgate/db'
import {
  type DeclaredServer,
  type LeftOutServer,
  type Registry,
  serverChangesChannel,
  type StoredServers,
  withShortPrefixes,
} from '@toolgate/manager'
import type { LoadedConfig } from './config/load.ts'
import { idsOf } from './config/servers.ts'
import { hasSame, identityOf, isSame } from './same-servers.ts'
import type { BuildStored, BuiltServer } from './stored-servers/build-stored.ts'
import type { ServerNames } from './stored-servers/names.ts'
import type { Seal } from './stored-servers/sealed-rows.ts'
import type { Settings } from './stored-servers/secrets.ts'
import { buildState, readState, type StoredState } from './stored-servers/stored-state.ts'

export interface ServerSet {
  /** Reads the stored servers and follows their changes. Rejects with `STORE_UNAVAILABLE`: without them nothing may start. */
  start(): Promise<void>
  /** Puts the servers of a configuration in force. Answers one line for each that is left out. */
  useConfig(loaded: LoadedConfig): readonly string[]
  /** After a write of this process: it holds when this resolves. */
  refresh(ids: readonly string[]): Promise<void>
  /** Every stored server, the oldest first, with the reason where it is not in use. */
  stored(): readonly StoredState[]
  /** Every server that is declared, in the file or stored, in use or not: id → name. */
  declared(): ReadonlyMap<string, string>
  /** What declares this id, name or alias in the configuration file, in use or not. */
  isConfigured(handle: string): boolean
  /** Builds a server with the configuration in force, and keeps nothing. Throws `InvalidServer`. */
  build(names: ServerNames, settings: Settings): BuiltServer
  close(): Promise<void>
}

export interface ServerSetOptions {
  readonly registry: Registry
  readonly store: StoredServers
  readonly feed: Pick<Database, 'listen'>
  readonly seal: Seal
  readonly build: BuildStored
  /** The servers of a configuration; what it has to say of them it logs. */
  readonly fromConfig: (loaded: LoadedConfig) => ConfigServers
  readonly loaded: LoadedConfig
  /** Told of every configuration before its servers are built. */
  readonly onConfig: (loaded: LoadedConfig) => void
  readonly clock: Clock
  readonly log: Logger
}

export interface ConfigServers {
  /** In the order of the file, also those that are left out. */
  readonly servers: readonly DeclaredServer[]
  /** One line for each that is left out. */
  readonly problems: readonly string[]
}

/** Announced ids that wait to be read; beyond it everything is read. */
const mostPending = 1_000

export function createServerSet(options: ServerSetOptions): ServerSet {
  return new JoinedServers(options)
}

class JoinedServers implements ServerSet {
  readonly #options: ServerSetOptions
  readonly #states = new Map<string, StoredState>()
  readonly #pending = new Set<string>()
  readonly #drain: (argument: undefined) => Promise<void>
  #readAll = false
  #loaded: LoadedConfig
  #config: ConfigServers
  /** What the registry was given last. */
  #given: readonly DeclaredServer[] | undefined
  #furtherNames: readonly string[] = []
  #shortened = false
  #storeAnswers = true
  #following: StopListening | undefined

  constructor(options: ServerSetOptions) {
    this.#options = options
    this.#loaded = options.loaded
    options.onConfig(options.loaded)
    this.#config = options.fromConfig(options.loaded)
    this.#drain = oneAtATime(() => this.#readPending())
  }

  async start(): Promise<void> {
    const { store, feed, clock, log } = this.#options
    await this.#readEverything()
    this.#following = await followChanges({
      of: 'stored servers',
      channel: serverChangesChannel,
      feed,
      clock,
      log,
      changedSince: (mark, signal) => this.#contact(() => store.changedSince(mark, signal)),
      // The poll finds it as well.
      heard: (id) => void this.refresh([id]).catch(() => undefined),
      found: (changes) => this.refresh(changes.filter((change) => !this.#has(change)).map(({ id }) => id)),
      lost: () => this.#readEverything(),
    })
  }

  useConfig(loaded: LoadedConfig): readonly string[] {
    const { onConfig, fromConfig, build } = this.#options
    onConfig(loaded)
    const { servers, problems } = fromConfig(loaded)
    this.#loaded = loaded
    this.#config = { servers: this.#keepUnchanged(servers), problems }
    for (const [id, state] of this.#states) this.#states.set(id, buildState(state, build, loaded.environment))
    return this.#swap()
  }

  async refresh(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return
    for (const id of ids) this.#pending.add(id)
    if (this.#pending.size > mostPending) this.#readAll = true
    await this.#drain(undefined)
  }

  stored(): readonly StoredState[] {
    const conflicts = new Map(this.#options.registry.quarantined().map(({ server, reason }) => [server.id, reason]))
    return this.#inOrder().map((state) => {
      const reason = state.reason ?? this.#claimedByFile(state.row) ?? conflicts.get(state.row.id)
      return { ...state, reason }
    })
  }

  declared(): ReadonlyMap<string, string> {
    const stored = [...this.#states.values()].map(({ row: { id, name } }) => [id, name] as const)
    return new Map([...this.#configIds(), ...stored])
  }

  isConfigured(handle: string): boolean {
    return this.#configHandles().has(handle)
  }

  build(names: ServerNames, settings: Settings): BuiltServer {
    return this.#options.build(names, settings, this.#loaded.environment)
  }

  async close(): Promise<void> {
    await this.#following?.()
  }

  /** A row that was read after the change. One that is gone is asked for again: it may have come. */
  #has({ id, at }: { id: string; at: Date }): boolean {
    const known = this.#states.get(id)
    return known !== undefined && known.row.updatedAt >= at
  }

  async #readEverything(): Promise<void> {
    this.#readAll = true
    await this.#drain(undefined)
  }

  async #readPending(): Promise<void> {
    const all = this.#readAll
    const ids = [...this.#pending]
    this.#readAll = false
    this.#pending.clear()
    try {
      const rows = await this.#contact(() => (all ? this.#options.store.list() : this.#options.store.find(ids)))
      await this.#take(rows, all ? [...this.#states.keys()] : ids)
    } catch (error) {
      this.#readAll ||= all
      for (const id of ids) this.#pending.add(id)
      throw error
    }
  }

  /** Everything is opened before anything changes; `asked` without a row are gone. */
  async #take(rows: readonly McpServerRow[], asked: readonly string[]): Promise<void> {
    const { seal, build } = this.#options
    const { environment } = this.#loaded
    const read = async (row: McpServerRow) => readState(row, this.#states.get(row.id), { seal, build, environment })
    const states = await Promise.all(rows.map(read))
    for (const { row, reason } of states) {
      if (reason === undefined || reason === this.#states.get(row.id)?.reason) continue
      this.#options.log.error({ server: row.name, reason }, 'stored server left out')
    }
    for (const id of asked) this.#states.delete(id)
    // The configuration may have been replaced meanwhile.
    for (const state of states) {
      const current =
        environment === this.#loaded.environment ? state : buildState(state, build, this.#loaded.environment)
      this.#states.set(state.row.id, current)
    }
    this.#swap()
  }

  /** Builds nothing: what is to be used is there. Answers one line for each server of the file that is left out. */
  #swap(): readonly string[] {
    const { registry, log } = this.#options
    const known = new Map(registry.quarantined().map(({ server, reason }) => [server.id, reason]))
    const stored = this.#inOrder().filter(({ row }) => this.#claimedByFile(row) === undefined)
    const servers = [...this.#config.servers, ...stored.map(({ server, row }) => server ?? leftOutServer(row))]
    const names = [...this.#loaded.config.aliases.keys()]
    // A poll may read a row that is gone, or unchanged, again and again: nobody is to be woken for that.
    const shorten = this.#loaded.environment.shortToolPrefix
    const isNews =
      !hasSame(this.#given, servers, isSame) || !hasSame(this.#furtherNames, names) || this.#shortened !== shorten
    if (isNews) registry.replace(shorten ? withShortPrefixes(servers) : servers, names)
    this.#given = servers
    this.#shortened = shorten
    this.#furtherNames = names
    const quarantined = registry.quarantined()
    for (const { server, reason } of quarantined) {
      if (known.get(server.id) !== reason) log.error({ server: server.name, reason }, 'server left out')
    }
    const ofFile = quarantined.filter(({ server }) => server.origin === 'config')
    return [...this.#config.problems, ...ofFile.map(({ server, reason }) => `mcp_servers.${server.name} ${reason}`)]
  }

  /** What means the same stays the same object: its transport knows what it learnt of the server. */
  #keepUnchanged(servers: readonly DeclaredServer[]): readonly DeclaredServer[] {
    const before = new Map(this.#config.servers.map((server) => [identityOf(server), server]))
    return servers.map((server) => before.get(identityOf(server)) ?? server)
  }

  #inOrder(): readonly StoredState[] {
    return [...this.#states.values()].toSorted(
      (left, right) =>
        left.row.createdAt.getTime() - right.row.createdAt.getTime() || left.row.id.localeCompare(right.row.id),
    )
  }

  /** Also by an entry of the file that is left out: a grant for its name must not come to mean another server. */
  #claimedByFile({ id, name, alias }: McpServerRow): string | undefined {
    const handles = this.#configHandles()
    const claimed = [id, name, alias].find((handle) => handle !== null && handles.has(handle))
    return claimed === undefined
      ? undefined
      : `"${claimed}" means a server of the configuration file, which comes first.`
  }

  #configHandles(): ReadonlySet<string> {
    return new Set([...this.#configNames(), ...this.#configIds().keys()])
  }

  #configNames(): readonly string[] {
    const named = this.#loaded.config.declaredServers.flatMap(({ name, alias }) => [name, alias])
    return [...named.filter((name) => name !== undefined), ...this.#loaded.config.aliases.keys()]
  }

  /** Id → name. */
  #configIds(): ReadonlyMap<string, string> {
    const entries = this.#loaded.config.declaredServers
    return new Map(entries.flatMap((entry) => idsOf(entry).map((id) => [id, entry.name ?? id] as const)))
  }

  async #contact<Answer>(question: () => Promise<Answer>): Promise<Answer> {
    const { log } = this.#options
    try {
      const answer = await question()
      if (!this.#storeAnswers) log.info({}, 'The store of servers answers again.')
      this.#storeAnswers = true
      return answer
    } catch (error) {
      if (this.#storeAnswers)
        log.warn({ err: error }, 'The store of servers does not answer: the last known servers go on.')
      this.#storeAnswers = false
      throw error
    }
  }
}

function leftOutServer({ id, name, alias }: McpServerRow): LeftOutServer {
  return { names: alias === null ? [name] : [name, alias], ids: [id] }
}
