import { definePlug, type UpstreamAuth } from '@toolgate/core'
import { z } from 'zod'
import type { UpstreamAuthOptions } from './options.ts'

const schema = z.strictObject({})

/** `auth_type: none`: an open server. Whatever a caller brings for it by name still goes there. */
export const none = definePlug<typeof schema, UpstreamAuthOptions, UpstreamAuth>({
  type: 'none',
  schema,
  create: () => ({
    type: 'none',
    forwardsAuthorization: false,
    needsUserToken: false,
    present: () => undefined,
  }),
})
