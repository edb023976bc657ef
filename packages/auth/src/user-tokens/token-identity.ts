import { createHash } from 'node:crypto'
import type { ServerDefinition } from '@toolgate/core'
import type { UserTokenClient } from './upstream-client.ts'

/** What a token was got for. With another address or another client of the server it is another, and former tokens are none of it. */
export function identityOf({ address }: ServerDefinition, client: UserTokenClient): string {
  const { clientId, issuer, authorizationUrl, tokenUrl, resource } = client
  const said = [address, clientId, issuer, authorizationUrl, tokenUrl, resource]
  return createHash('sha256')
    .update(JSON.stringify(said.map((value) => value ?? null)))
    .digest('hex')
}
