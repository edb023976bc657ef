import { type Clock, GatewayError, type Principal, type Secret, systemClock } from '@toolgate/core'
import type { VirtualKeyRow } from '@toolgate/db'
import { type DefaultAccess, grantsOf } from '../keys/grants.ts'
import type { KeyCache } from '../keys/key-cache.ts'
import { displayKey, hashKey, looksLikeKey } from '../keys/key-format.ts'
import type { Authenticator } from './authenticator.ts'

export interface VirtualKeyOptions {
  readonly keys: Pick<KeyCache, 'find'>
  readonly defaultAccess: () => DefaultAccess
  readonly clock?: Clock
}

/**
 * Virtual keys, by hash. Yields what does not start with `sk-`, so that a hash taken from a database is no key. The row may
 * be a second old; expiry is judged by the clock at every use.
 */
export function virtualKeyAuthenticator({
  keys,
  defaultAccess,
  clock = systemClock,
}: VirtualKeyOptions): Authenticator {
  // A row is replaced as a whole when it changes, so what was made of it holds as long as it does.
  const principals = new WeakMap<VirtualKeyRow, { readonly principal: Principal; readonly access: DefaultAccess }>()

  const principalOf = (row: VirtualKeyRow): Principal => {
    const access = defaultAccess()
    const known = principals.get(row)
    if (known?.access === access) return known.principal
    const principal = toPrincipal(row, access)
    principals.set(row, { principal, access })
    return principal
  }

  return {
    name: 'virtual_key',
    async authenticate(credential, signal) {
      if (!looksLikeKey(credential.reveal())) return undefined
      const hash = hashKey(credential)
      const row = await keys.find(hash, signal)
      if (row === undefined) throw unknownKey(credential, hash)
      refuseUnusable(row, clock.now())
      const principal = principalOf(row)
      return row.hash === hash ? principal : { ...principal, formerKeyHash: hash }
    },
  }
}

/** Throws for a key that nobody may use now. */
export function refuseUnusable({ blocked, disabledReason, expires }: VirtualKeyRow, now: number): void {
  if (blocked) throw new GatewayError('KEY_BLOCKED', "Key is blocked. Update via `/key/unblock` if you're an admin.")
  if (disabledReason !== null) {
    throw new GatewayError('KEY_BLOCKED', 'Key is blocked. It was removed from the configuration of the gateway.')
  }
  if (expires === null || expires.getTime() > now) return
  throw new GatewayError(
    'KEY_EXPIRED',
    `Authentication Error - Expired Key. Key Expiry time ${expires.toISOString()} and current time ${new Date(now).toISOString()}`,
  )
}

/** LiteLLM's text: clients in the wild look for parts of it. */
function unknownKey(credential: Secret, hash: string): GatewayError {
  return new GatewayError(
    'CREDENTIAL_INVALID',
    `Authentication Error, Invalid proxy server token passed. Received API Key = ${displayKey(credential)}, Key Hash (Token) =${hash}. Unable to find token in cache or \`LiteLLM_VerificationTokenTable\``,
  )
}

export function toPrincipal(row: VirtualKeyRow, defaultAccess: DefaultAccess): Principal {
  return {
    source: 'virtual_key',
    id: row.userId ?? row.hash,
    keyHash: row.hash,
    keyAlias: row.keyAlias ?? undefined,
    userId: row.userId ?? undefined,
    teamId: row.teamId ?? undefined,
    admin: false,
    grants: grantsOf(row, defaultAccess),
    autoTools: row.autoTools,
    toolSearch: row.objectPermission?.mcp_tool_search_enabled === true,
  }
}
