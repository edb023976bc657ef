/**
 * One stored server as this process knows it: its row, what that was made into, and why it is not in use where it is not.
 * A row that cannot be opened or built is set aside with its reason and hides no other.
 */
import { toGatewayError } from '@toolgate/core'
import type { McpServerRow } from '@toolgate/db'
import type { ManagedServer } from '@toolgate/manager'
import type { Environment } from '../config/env.ts'
import { type BuildStored, InvalidServer } from './build-stored.ts'
import { type OpenedServer, openRow, type Seal } from './sealed-rows.ts'

export interface StoredState {
  readonly row: McpServerRow
  /** Absent where its secrets cannot be opened. */
  readonly opened: OpenedServer | undefined
  /** Absent where it could not be built. */
  readonly server: ManagedServer | undefined
  /** Why it is not in use. */
  readonly reason: string | undefined
}

/** Opens and builds a row; `known` is what was made of an earlier reading. */
export async function readState(
  row: McpServerRow,
  known: StoredState | undefined,
  { seal, build, environment }: { seal: Seal; build: BuildStored; environment: Environment },
): Promise<StoredState> {
  if (known !== undefined && known.opened !== undefined && isSame(known.row, row)) return { ...known, row }
  try {
    const opened = await openRow(row, seal)
    return buildState({ row, opened, server: known?.server, reason: undefined }, build, environment)
  } catch (error) {
    return { row, opened: undefined, server: undefined, reason: toGatewayError(error).message }
  }
}

/** Builds an opened row again, with another configuration. What means the same stays the same object, connections and all. */
export function buildState(state: StoredState, build: BuildStored, environment: Environment): StoredState {
  const { row, opened, server: before } = state
  if (opened === undefined) return state
  try {
    const { server } = build(opened, opened.settings, environment)
    return { row, opened, server: before?.revision === server.revision ? before : server, reason: undefined }
  } catch (error) {
    // Anything unexpected is about this one row as well; its text might quote a setting.
    const reason = error instanceof InvalidServer ? error.message : toGatewayError(error).message
    return { row, opened, server: undefined, reason }
  }
}

function isSame(left: McpServerRow, right: McpServerRow): boolean {
  return JSON.stringify(left) === JSON.stringify(right)
}
