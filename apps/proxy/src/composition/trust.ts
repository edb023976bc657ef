import {
  createPostgresToolDefinitions,
  createToolTrust,
  type Registry,
  type ToolDefinitions,
  type ToolTrust,
} from '@toolgate/manager'
import type { Foundation } from '../foundation.ts'

/** What pinned servers say of their tools and what was approved of it, and where a server is found by its id. */
export interface TrustPart extends TrustServices {
  readonly registry: Registry
}

interface TrustServices {
  readonly toolDefinitions: ToolDefinitions
  readonly toolTrust: ToolTrust
}

export function composeTrust({ database, clock, log, newId }: Foundation): TrustServices {
  const toolDefinitions = createPostgresToolDefinitions(database, newId)
  return { toolDefinitions, toolTrust: createToolTrust({ store: toolDefinitions, feed: database, clock, log }) }
}
