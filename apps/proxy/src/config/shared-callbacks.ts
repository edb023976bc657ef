import type { ManagedServer } from '@toolgate/manager'
import type { Notice } from './build-server.ts'

/** Of those that a warning names. */
const mostNames = 5

/**
 * RFC 9700 §4.4: an authorization server that does not say who it is (`iss`) cannot be told from another one whose answers come to the
 * same address. Where that address is registered is for the operator to change.
 */
export function sharedCallbacks(servers: readonly ManagedServer[]): Notice[] {
  const sharing = servers.flatMap(({ name, address, auth: { relay, userTokens } }) => {
    const client = relay ?? userTokens
    return client?.ownCallback === false ? [{ name, place: originOf(client.authorizationServer ?? address) }] : []
  })
  if (new Set(sharing.map(({ place }) => place)).size < 2) return []
  const names = sharing.map(({ name }) => name)
  const named = `${names.slice(0, mostNames).join(', ')}${names.length > mostNames ? ', …' : ''}`
  const message =
    `have clients of different authorization servers that share one callback (${named}). With own_callback: true each has its ` +
    'own, and the answer of one is never taken for that of another'
  return [{ level: 'warning', path: ['mcp_servers'], message }]
}

/** What is no address is itself: a command has no sign-in, and this is no place to fail. */
function originOf(address: string): string {
  return URL.parse(address)?.origin ?? address
}
