import { definePlug, type Plug, type UpstreamAuth } from '@toolgate/core'
import { z } from 'zod'
import type { UpstreamAuthOptions } from './options.ts'

const schema = z.strictObject({})

/** A server that gets the caller's own `Authorization` and nothing of the gateway's. */
export function definePassThroughPlug(type: string): Plug<UpstreamAuthOptions, UpstreamAuth> {
  return definePlug<typeof schema, UpstreamAuthOptions, UpstreamAuth>({
    type,
    schema,
    create: () => ({ type, forwardsAuthorization: true, needsUserToken: true, present: async () => undefined }),
  })
}
