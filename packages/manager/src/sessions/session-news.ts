import type { Clock, JsonRpcNotification, Principal } from '@toolgate/core'
import { type ListKind, listKinds } from '../methods.ts'
import { permitsServer } from '../permits.ts'
import type { ToolsetLookup } from '../toolsets/toolset.ts'
import type { ManagedServer } from '../registry/managed-server.ts'
import type { Hearer } from './hearer.ts'
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
  /** What a server said outside any call. `holder`: whose connection said so; absent where everybody shares it. */
  heard(server: ManagedServer, notification: JsonRpcNotification, holder?: string): void
  close(): void
}

export function createSessionNews({
  subscriptions,
  clock,
  toolsets,
}: {
  subscriptions: Pick<Subscriptions, 'hearers'>
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
    heard(server, notification, holder) {
      if (notification.method !== 'notifications/resources/updated') return
      const uri = notification.params?.['uri']
      if (typeof uri !== 'string') return
      const isFor = (principal: Principal) => permitsServer(principal, server, toolsets)
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
