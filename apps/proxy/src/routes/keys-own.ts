import { hashKey } from '@toolgate/auth'
import { type Caller, GatewayError, type Principal, Secret } from '@toolgate/core'

/** Which key a caller asks about: without `asked` itself. Another's key is for administrators. */
export function ownReference({ principal }: Caller, asked: string | undefined): string {
  if (asked !== undefined) {
    if (!principal.admin && !isOwnKey(principal, asked)) throw notAllowed()
    return asked
  }
  if (principal.source === 'virtual_key') return principal.keyHash
  throw new GatewayError('INVALID_REQUEST', 'The master key is no virtual key: name one with ?key=.', {
    details: { field: 'key' },
  })
}

/** Refuses a list that names another's key, to whoever is no administrator. What is no list is left for the schema. */
export function refuseOthers({ principal }: Caller, asked: unknown): void {
  if (principal.admin || !Array.isArray(asked)) return
  if (!asked.every((key) => typeof key === 'string' && isOwnKey(principal, key))) throw notAllowed()
}

/** Whether a text is this key or its hash. */
function isOwnKey({ keyHash }: Pick<Principal, 'keyHash'>, asked: string): boolean {
  return asked === keyHash || hashKey(new Secret(asked)) === keyHash
}

function notAllowed(): GatewayError {
  return new GatewayError('ADMIN_ONLY', "You are not allowed to access this key's info. A key may read itself.")
}
