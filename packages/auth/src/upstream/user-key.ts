/**
 * A server that takes a key of each user's own (LiteLLM's BYOK), written into the header of its static method. Without a key of
 * its own nobody gets in on the gateway's: that one is for discovery and health alone.
 */
import { GatewayError, type ServerDefinition, type UpstreamAuth, type UserSecretAccess } from '@toolgate/core'
import { ownerOf } from '../user-tokens/user-tokens.ts'

/** Undefined where the method has no header for a bare value. `keys` absent: none are kept. */
export function withUserKeys(auth: UpstreamAuth, keys: UserSecretAccess | undefined): UpstreamAuth | undefined {
  const write = auth.writeValue?.bind(auth)
  if (write === undefined) return undefined
  return {
    ...auth,
    userKey: keys,
    needsUserToken: true,
    async present(request) {
      const { server, caller } = request
      if (caller === undefined) return auth.present(request)
      const owner = ownerOf(caller.principal)
      const held = owner === undefined ? undefined : await keys?.read(server, owner)
      return (
        held && {
          type: 'byok',
          scope: { kind: 'holder', holder: `${owner}#${held.id}` },
          headers: write(held.secret),
          // The same key again would be refused again.
          rejected: () => false,
        }
      )
    },
  }
}

export function userKeyMissing(server: ServerDefinition, url: string | undefined): GatewayError {
  return userKeyError(server, { what: 'takes a key of your own, and you have set none', url })
}

/** To sign in, as the server may say, would not help: it is asked with the key, and with nothing else of the caller's. */
export function userKeyRefused(server: ServerDefinition, url: string | undefined): GatewayError {
  return userKeyError(server, { what: 'refused what was asked with the key that you have set', url })
}

function userKeyError(
  server: ServerDefinition,
  { what, url }: { readonly what: string; readonly url: string | undefined },
): GatewayError {
  const help = server.byok?.helpUrl
  const told = help === undefined ? '' : ` How to get one: ${help} .`
  const set = url === undefined ? '' : ` Set it with POST ${url}`
  return new GatewayError('USER_KEY_MISSING', `Server "${server.name}" ${what}.${told}${set}`, {
    details: {
      server: server.name,
      server_id: server.id,
      server_name: server.name,
      ...(url !== undefined && { setup_url: url }),
      challenge: 'Bearer realm="byok"',
      stage: 'credential',
    },
  })
}
