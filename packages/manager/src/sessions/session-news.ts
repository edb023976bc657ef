import type { Clock, JsonRpcNotification, Principal } from '@toolgate/core'
import { isAboutTheServer } from '../about-the-server.ts'
import { type ListKind, listKinds } from '../methods.ts'
import { permitsServer } from '../permits.ts'
import type { ToolsetLookup } from '../toolsets/toolset.ts'
import type { Whose } from '../upstream/pool.ts'
import type { ManagedServer } from '../registry/managed-server.ts'
import type { Hearer } from './hearer.ts'
import { isLogged } from './log-levels.ts'
import type { Sessions } from './sessions.ts'
import type { Subscriptions } from './subscriptions.ts'

/** Milliseconds in which changes of lists are gathered: a client hears of each kind once, however many servers changed. */
const gatherMs = 250

const methods: Readonly<Record<ListKind, string>> = {
  tools: 'notifications/tools/list_changed',
  prompts: 'notifications/prompts/list_changed',
  resources: 'notifications/resources/list_changed',
  // Templates have no news of their own (spec 2025-11-25, Resources).
  resourceTemplates: 'notifications/resources/list_changed',
}

/** Brings what happens at upstreams to the clients that it concerns, outside any request. */
export interface SessionNews {
  /** A list of this server is another one than before. `former`: toolsets that may have led somebody to it until now. */
  listChanged(server: ManagedServer, kind: ListKind, former?: ToolsetLookup): void
  gone(server: ManagedServer): void
  /**
   * What a server said outside any call. That a resource changed is for everybody who wants to know and may; what else it
   * said for the one session that it was said to, and where that cannot be told, for nobody.
   */
  heard(server: ManagedServer, notification: JsonRpcNotification, whose: Whose): void
  close(): void
}

export function createSessionNews({
  subscriptions,
  sessions,
  clock,
  toolsets,
}: {
  subscriptions: Pick<Subscriptions, 'hearers'>
  sessions: Pick<Sessions, 'here'>
  clock: Clock
  toolsets: ToolsetLookup
}): SessionNews {
  let changed = new Map<string, Map<ManagedServer, ToolsetLookup | undefined>>()
  let waiting: (() => void) | undefined

  const tellAll = () => {
    waiting = undefined
    const gathered = changed
    changed = new Map()
    for (const hearer of subscriptions.hearers()) {
      for (const [method, servers] of gathered) {
        const sees = (server: ManagedServer, lookup = toolsets) => concerns(hearer, server, lookup)
        const concerned = [...servers].some(([server, former]) => sees(server) || sees(server, former))
        if (concerned) hearer.tell({ notification: { jsonrpc: '2.0', method } })
      }
    }
  }

  const listChanged = (server: ManagedServer, kind: ListKind, former?: ToolsetLookup) => {
    const method = methods[kind]
    const servers = changed.get(method) ?? new Map<ManagedServer, ToolsetLookup | undefined>()
    // Of several changes, what was before the first one.
    changed.set(method, servers.set(server, servers.get(server) ?? former))
    waiting ??= clock.after(gatherMs, tellAll)
  }

  return {
    listChanged,
    gone(server) {
      for (const kind of listKinds) listChanged(server, kind)
    },
    heard(server, notification, { holder, sessionId }) {
      const { method, params } = notification
      const isFor = (principal: Principal) => permitsServer(principal, server, toolsets)
      if (!isAboutTheServer(method)) {
        const session = sessionId === undefined ? undefined : sessions.here(sessionId)
        if (session !== undefined && isLogged(notification, session.logLevel)) session.tell({ notification, isFor })
        return
      }
      const uri = params?.['uri']
      if (method !== 'notifications/resources/updated' || typeof uri !== 'string') return
      for (const hearer of subscriptions.hearers()) {
        if (!hearer.subscribed(uri) || !concerns(hearer, server, toolsets)) continue
        if (holder === undefined || holder === hearer.owner) hearer.tell({ notification, isFor })
      }
    },
    close: () => waiting?.(),
  }
}

/** Whether it could see anything of this server, whether or not the registry still has it. */
function concerns({ principal, names }: Hearer, server: ManagedServer, toolsets: ToolsetLookup): boolean {
  if (principal === undefined || !permitsServer(principal, server, toolsets)) return false
  const { id, name, alias, accessGroups } = server
  return (
    names?.some((handle) => handle === id || handle === name || handle === alias || accessGroups.has(handle)) ?? true
  )
}
