import { noGrants, type Principal, type Secret } from '@toolgate/core'
import type { Authenticator } from './authenticator.ts'

/** What stands for the master key in logs, limits and rows: neither it nor its hash is ever written down. */
const masterKeyAlias = 'master_key'

/**
 * LiteLLM's name for the admin behind the master key. It is no `userId`: many people may hold the key, and what one of
 * them brings for an upstream must not be shared with the others.
 */
const defaultUserId = 'default_user_id'

const principal: Principal = {
  source: 'master_key',
  id: defaultUserId,
  keyHash: masterKeyAlias,
  keyAlias: masterKeyAlias,
  admin: true,
  grants: { ...noGrants, allServers: true },
  autoTools: false,
  toolSearch: false,
}

/** Compares in constant time. Yields everything else: it may be a key of another kind. */
export function masterKeyAuthenticator(masterKey: Secret): Authenticator {
  return {
    name: 'master_key',
    async authenticate(credential) {
      return masterKey.equals(credential.reveal()) ? principal : undefined
    },
  }
}
