import { definePlug, type Plug, type UpstreamAuth } from '@toolgate/core'
import { z } from 'zod'
import type { UpstreamAuthOptions } from './options.ts'
import { signInClient, signInShape } from './sign-in-settings.ts'

const schema = z.strictObject(signInShape)

/**
 * A server that gets the caller's own `Authorization` and nothing of the gateway's. A client that has none yet signs in at the
 * server's authorization server, by way of the gateway's paths for this server.
 */
export function definePassThroughPlug(type: string): Plug<UpstreamAuthOptions, UpstreamAuth> {
  return definePlug<typeof schema, UpstreamAuthOptions, UpstreamAuth>({
    type,
    schema,
    create: (settings, { userTokens }) => ({
      type,
      forwardsAuthorization: true,
      needsUserToken: true,
      relay: userTokens?.relay(signInClient(settings)),
      present: () => undefined,
    }),
  })
}
