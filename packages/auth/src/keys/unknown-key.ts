import { GatewayError, Secret } from '@toolgate/core'
import { displayKey, keyHashOf, looksLikeKey } from './key-format.ts'

/** Names the key masked or by its hash: what was sent may be a key of somewhere else. */
export function unknownKey(reference: string): GatewayError {
  const name = looksLikeKey(reference) ? displayKey(new Secret(reference)) : `with the hash ${keyHashOf(reference)}`
  return new GatewayError('KEY_NOT_FOUND', `There is no key ${name}. /key/list shows the keys there are.`, {
    details: { field: 'key' },
  })
}

/** An alias is a name and no secret, but what was sent as one may be a key. */
export function unknownAlias(): GatewayError {
  return new GatewayError('KEY_NOT_FOUND', 'There is no key with this key_alias. /key/aliases shows those there are.', {
    details: { field: 'key_alias' },
  })
}
