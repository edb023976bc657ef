import {
  createPostgresStoredToolsets,
  createToolsets,
  type Registry,
  type SessionNews,
  type StoredToolsets,
  type Toolsets,
} from '@toolgate/manager'
import type { Foundation } from '../foundation.ts'

export interface ToolsetsPart {
  readonly storedToolsets: StoredToolsets
  readonly toolsets: Toolsets
}

export function composeToolsets({ database, clock, log, newId }: Foundation): ToolsetsPart {
  const storedToolsets = createPostgresStoredToolsets(database, newId)
  return { storedToolsets, toolsets: createToolsets({ store: storedToolsets, feed: database, clock, log }) }
}

/** A toolset that changes is a list that changes to whoever sees its servers, or did until then. */
export function tellOfToolsets(
  toolsets: Toolsets,
  { registry, news }: { registry: Registry; news: Pick<SessionNews, 'listChanged'> },
): void {
  toolsets.watch((serverIds, former) => {
    for (const server of registry.list()) if (serverIds.has(server.id)) news.listChanged(server, 'tools', former)
  })
}
