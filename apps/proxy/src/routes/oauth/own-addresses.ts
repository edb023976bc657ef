import { ownClientDocument } from '@toolgate/auth'
import type { OwnAddresses } from '@toolgate/core'
import type { Context } from 'hono'
import type { AppEnv } from '../../app-env.ts'
import { routeNotFound } from '../../middleware/errors.ts'
import type { PublicAddress } from '../../public-address.ts'

/** Of the gateway as a client of one server's authorization server, and of no other. */
export function ownAddresses(base: string, serverId: string): OwnAddresses {
  const at = `${base}/connect/${encodeURIComponent(serverId)}`
  // CIMD: the id of a client is an https address, or nobody reads it.
  return { redirectUri: `${at}/callback`, document: base.startsWith('https:') ? `${at}/client.json` : undefined }
}

/** For any id: whether such a server exists is not told. */
export function showOwnClient(context: Context<AppEnv>, serverId: string, publicAddress: PublicAddress): Response {
  const base = publicAddress.of(context)
  const { redirectUri, document } = ownAddresses(base, serverId)
  if (document === undefined) return routeNotFound(context)
  // The address may be the request's own, and a cache must not give it to others.
  context.header('cache-control', 'no-store')
  return context.json(ownClientDocument(document, redirectUri))
}
