import { plugRegistry } from '@toolgate/core'
import { apiKey } from './api-key.ts'
import { authorization } from './authorization.ts'
import { awsSigv4 } from './aws-sigv4.ts'
import { basic } from './basic.ts'
import { bearerToken } from './bearer-token.ts'
import { none } from './none.ts'
import { oauth2 } from './oauth2.ts'
import { oauth2TokenExchange } from './oauth2-token-exchange.ts'
import { oauthDelegate } from './oauth-delegate.ts'
import { token } from './token.ts'
import { truePassthrough } from './true-passthrough.ts'

/** Every `auth_type` there is. A new one is a file and a line here. */
export const upstreamAuthMethods = plugRegistry([
  none,
  bearerToken,
  apiKey,
  basic,
  authorization,
  token,
  oauth2,
  oauth2TokenExchange,
  awsSigv4,
  truePassthrough,
  oauthDelegate,
])
