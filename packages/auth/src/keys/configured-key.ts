/**
 * What the API may do to a key of the configuration: block it, and say what it has spent. All else the file says again at
 * every start and reload, so a change would hold until then and vanish; it is refused where it is asked for.
 */
import { GatewayError } from '@toolgate/core'
import type { VirtualKeyRow } from '@toolgate/db'
import { differingColumns, type KeyPatch } from './changed-settings.ts'

const columnsOfTheApi: ReadonlySet<string> = new Set(['blocked', 'spend'])

/** Throws `CONFLICT` where the change is the file's business. */
export function refuseConfigured(row: VirtualKeyRow, patch: KeyPatch): void {
  if (patch.blocked === false) refuseRemoved(row)
  if (row.origin !== 'config') return
  if (differingColumns(row, patch).every((column) => columnsOfTheApi.has(column))) return
  throw ofTheFile(row, 'Only blocked and spend can be changed here. Change the other settings there.')
}

/** Throws `CONFLICT`: the key itself stands in the file. */
export function refuseConfiguredKey(row: VirtualKeyRow): void {
  if (row.origin === 'config')
    throw ofTheFile(row, 'Put another key there and reload the configuration, and block this one until then.')
}

/** Throws `CONFLICT` for a key that its file still holds: it would be made again. */
export function refuseDeletion({ origin, disabledReason, keyName }: VirtualKeyRow): void {
  if (origin !== 'config' || disabledReason !== null) return
  throw new GatewayError(
    'CONFLICT',
    `keys: no key was deleted, because ${keyName} is in virtual_keys of the configuration, which would make it again. Remove it there, or block it.`,
    { details: { field: 'keys' } },
  )
}

/** Throws `CONFLICT` for a key that its file no longer holds. */
export function refuseRemoved({ disabledReason, keyName }: VirtualKeyRow): void {
  if (disabledReason === null) return
  throw new GatewayError(
    'CONFLICT',
    `key: ${keyName} stays blocked, because it was removed from virtual_keys in the configuration. Put it back there.`,
    { details: { field: 'key' } },
  )
}

function ofTheFile({ keyName }: VirtualKeyRow, advice: string): GatewayError {
  return new GatewayError('CONFLICT', `key: ${keyName} is of virtual_keys in the configuration. ${advice}`, {
    details: { field: 'key' },
  })
}
