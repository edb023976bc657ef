import type { Clock, JsonRpcNotification } from '@toolgate/core'
import { type ListKind, listKinds } from '../methods.ts'
import { permitsServer } from '../permits.ts'
import type { ToolsetLookup } from '../toolsets/toolset.ts'
import type { ManagedServer } from '../registry/managed-server.ts'
import type { Session } from './session.ts'
import type { Sessions } from './sessions.ts'

/** Milliseconds in which changes of lists are gathered: a client hears of each kind once, however many servers changed. */
const gatherMs = 250

const methods: Readonly<Record<ListKind, string>> = {
  tools: 'notifications/tools/list_changed',
  prompts: 'notifications/prompts/list_changed',
  resources: 'notifications/resources/list_changed',
  // Templates have no news of their own (spec 2025-11-25, Resources).
  resourceTemplates: 'notifications/resources/list_changed',
}

/** Brings what happens at upstreams to the sessions that it concerns, outside any request. */
export interface SessionNews {
  /** A list of this server is another one than before. */
  listChanged(server: ManagedServer, kind: ListKind): void
  gone(server: ManagedServer): void
  /** What a server said outside any call. `holder`: whose connection said so; absent where everybody shares it. */
  heard(server: ManagedServer, notification: JsonRpcNotification, holder?: string): void
  close(): void
}

export function createSessionNews({
  sessions,
  clock,
  toolsets,
}: {
  sessions: Pick<Sessions, 'live'>
  clock: Clock
  toolsets: ToolsetLookup
}): SessionNews {
  let changed = new Map<string, Set<ManagedServer>>()
  let waiting: (() => void) | undefined

  const tellAll = () => {
    waiting = undefined
    const gathered = changed
    changed = new Map()
    for (const session of sessions.live()) {
      for (const [method, servers] of gathered) {
        if ([...servers].some((server) => concerns(session, server, toolsets))) session.tell({ jsonrpc: '2.0', method })
      }
    }
  }

  const listChanged = (server: ManagedServer, kind: ListKind) => {
    const method = methods[kind]
    changed.set(method, (changed.get(method) ?? new Set()).add(server))
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
      for (const session of sessions.live()) {
        if (!session.subscribed(uri) || !concerns(session, server, toolsets)) continue
        if (holder === undefined || holder === session.owner) session.tell(notification)
      }
    },
    close: () => waiting?.(),
  }
}

/** What a session could see of this server, whether or not the registry still has it. */
function concerns({ principal, names }: Session, server: ManagedServer, toolsets: ToolsetLookup): boolean {
  if (principal === undefined || !permitsServer(principal, server, toolsets)) return false
  const { id, name, alias, accessGroups } = server
  return (
    names?.some((handle) => handle === id || handle === name || handle === alias || accessGroups.has(handle)) ?? true
  )
}
