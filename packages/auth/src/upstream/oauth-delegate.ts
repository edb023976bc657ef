import { definePassThroughPlug } from './pass-through.ts'

/** `auth_type: oauth_delegate`: the client holds the upstream's token and sends it along with the gateway's key. */
export const oauthDelegate = definePassThroughPlug('oauth_delegate')
