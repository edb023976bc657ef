import { GatewayError } from '@toolgate/core'
import { checkCustomKey } from './key-format.ts'
import type { KeyContext } from './virtual-keys.ts'

/** Throws `INVALID_REQUEST` for a key that an administrator wishes for and cannot have: a bad one, or the gateway's own. */
export function checkWantedKey(key: string, field: string, { isReserved }: Pick<KeyContext, 'isReserved'>): void {
  checkCustomKey(key, field)
  if (!isReserved(key)) return
  throw new GatewayError('INVALID_REQUEST', `${field}: must not be the master key.`, { details: { field } })
}
