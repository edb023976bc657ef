import {
  createOrphanedAccounts,
  createPostgresOrphanStore,
  createPostgresUserTokenStore,
  createUpstreamClient,
  createUserTokenMemory,
  createUserTokens,
  type DeclaredServers,
  type OrphanedAccounts,
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

/** What users have at servers that are gone, or are others now. */
export function composeOrphanedAccounts(
  { database, clock, log }: Pick<Foundation, 'database' | 'clock' | 'log'>,
  declared: () => DeclaredServers,
): OrphanedAccounts {
  return createOrphanedAccounts({ store: createPostgresOrphanStore(database), declared, clock, log })
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
