import {
  createPostgresUserTokenStore,
  createUpstreamClient,
  createUserTokenMemory,
  createUserTokens,
  type UserTokenMemory,
  type UserTokens,
} from '@toolgate/auth'
import type { Foundation } from '../foundation.ts'
import { publicBase } from '../public-address.ts'

/** What is known of all of them, whichever way their servers are reached. */
export function composeUserTokenMemory({
  database,
  clock,
  newId,
  log,
}: Pick<Foundation, 'database' | 'clock' | 'newId' | 'log'>): UserTokenMemory {
  const { changedSince } = createPostgresUserTokenStore(database, newId)
  return createUserTokenMemory({ changedSince, feed: database, clock, log })
}

/** Tokens of users at servers that are reached in these ways. */
export function composeUserTokens(
  parts: Pick<
    Foundation,
    'loaded' | 'database' | 'sealer' | 'clock' | 'newId' | 'log' | 'outbound' | 'guardedOutbound' | 'userTokenMemory'
  >,
): UserTokens {
  const { loaded, database, sealer, clock, newId, log, userTokenMemory } = parts
  return createUserTokens({
    store: createPostgresUserTokenStore(database, newId),
    memory: userTokenMemory,
    upstream: createUpstreamClient(parts),
    sealer,
    clock,
    newId,
    log,
    expiryBufferMs: loaded.environment.tokenCache.ofUsersBufferMs,
  })
}

/** Where a user sets a key or variables for a server; a path where nobody here knows how the gateway is reached. */
export function setupUrl(
  { loaded }: Pick<Foundation, 'loaded'>,
  server: string,
  what: 'user-credential' | 'user-env-vars',
): string {
  const { publicAddress } = loaded.environment
  return `${publicBase(publicAddress) ?? publicAddress.rootPath}/v1/mcp/server/${encodeURIComponent(server)}/${what}`
}

/** The page on which a user connects a server; without `PROXY_BASE_URL` as a path, since nobody here knows how the gateway is reached. */
export function connectUrl({ loaded }: Pick<Foundation, 'loaded'>, server: string): string {
  const { publicAddress } = loaded.environment
  return `${publicBase(publicAddress) ?? publicAddress.rootPath}/connect/${encodeURIComponent(server)}`
}
