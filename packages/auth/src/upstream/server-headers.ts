import { GatewayError, type Secret, type ServerDefinition } from '@toolgate/core'
import { isForwardableHeader, isHeaderName } from './header-names.ts'

/**
 * `x-mcp-{alias}-{header}`: what a request brought for one server by name. Aliases may hold hyphens, so the longest known
 * one wins: `x-mcp-git-hub-authorization` never goes to the server `git` while there is a `git-hub`. What could belong to two
 * servers is refused, and nothing is ever given to both.
 */
export interface ServerHeaders {
  /** Header name → value for `server`. Throws `INVALID_REQUEST` for a header that must not be forwarded. */
  broughtFor(server: NamedServer, brought: ReadonlyMap<string, Secret>): ReadonlyMap<string, Secret>
}

type NamedServer = Pick<ServerDefinition, 'name' | 'alias' | 'extraHeaders'>

const nothing: ReadonlyMap<string, Secret> = new Map()

/**
 * `prefixes` gives the aliases and names of every known server, also of those that are down or quarantined; as long as it
 * gives the same array, what was derived from it is kept.
 */
export function createServerHeaders(prefixes: () => readonly string[]): ServerHeaders {
  let known: { readonly prefixes: readonly string[]; readonly claims: Claims } = { prefixes: [], claims: new Map() }
  const claimsNow = (): Claims => {
    const current = prefixes()
    if (current !== known.prefixes) known = { prefixes: current, claims: createClaims(current) }
    return known.claims
  }

  return {
    broughtFor(server, brought) {
      if (brought.size === 0) return nothing
      const own = ownNames(server)
      // A server that has just left the registry keeps its claims for the calls in flight.
      const ownClaims = createClaims([...own])
      const claims = claimsNow()
      const headers = new Map<string, Secret>()
      for (const [key, value] of brought) {
        const match = longestMatch(key, (prefix) => claims.get(prefix) ?? ownClaims.get(prefix))
        if (match === undefined || !match.claimants.some((name) => own.has(name))) continue
        if (!match.claimants.every((name) => own.has(name))) throw ambiguous(key)
        if (!mayCarry(server, match.header)) throw notForwardable(key, match.header)
        if (headers.get(match.header)?.equals(value.reveal()) === false) throw contradictory(key, match.header)
        headers.set(match.header, value)
      }
      return headers
    },
  }
}

/** How a prefix may be written in a header → the servers' names or aliases that are written so. */
type Claims = ReadonlyMap<string, readonly string[]>

/** A name claims its verbatim spelling alone; the normalised spelling belongs to all who share it, unless it is someone's name. */
function createClaims(prefixes: readonly string[]): Claims {
  const names = new Set(prefixes.map((prefix) => prefix.toLowerCase()))
  const claims = new Map<string, string[]>()
  for (const name of names) claims.set(name, [name])
  for (const name of names) {
    const spelling = normalised(name)
    if (names.has(spelling)) continue
    claims.set(spelling, [...(claims.get(spelling) ?? []), name])
  }
  return claims
}

/** LiteLLM's spelling of an alias in a header name. */
function normalised(name: string): string {
  return name
    .replace(/[^a-z0-9_]+/g, '_')
    .replace(/_+/g, '_')
    .replace(/^_|_$/g, '')
}

function ownNames({ name, alias }: NamedServer): ReadonlySet<string> {
  return new Set([name.toLowerCase(), ...(alias === undefined ? [] : [alias.toLowerCase()])])
}

function longestMatch(key: string, claimantsOf: (prefix: string) => readonly string[] | undefined) {
  for (let at = key.lastIndexOf('-'); at > 0; at = key.lastIndexOf('-', at - 1)) {
    const claimants = claimantsOf(key.slice(0, at))
    const header = key.slice(at + 1)
    if (claimants !== undefined && header !== '') return { claimants, header }
  }
  return undefined
}

function mayCarry({ extraHeaders }: NamedServer, header: string): boolean {
  if (header === 'cookie') return extraHeaders.has('cookie')
  return isForwardableHeader(header)
}

function ambiguous(key: string): GatewayError {
  return new GatewayError(
    'INVALID_REQUEST',
    `Header "x-mcp-${key}" fits more than one server. Write the alias exactly.`,
  )
}

function notForwardable(key: string, header: string): GatewayError {
  return new GatewayError('INVALID_REQUEST', `Header "x-mcp-${key}": "${header}" cannot be set on behalf of a caller.`)
}

function contradictory(key: string, header: string): GatewayError {
  return new GatewayError('INVALID_REQUEST', `Header "x-mcp-${key}": the same server got another "${header}" as well.`)
}

/** The name of the header that brings `header` for this server, as messages show it. */
export function serverHeaderName({ name, alias }: Pick<ServerDefinition, 'name' | 'alias'>, header: string): string {
  const prefix = (alias ?? name).toLowerCase()
  return `x-mcp-${isHeaderName(prefix) ? prefix : normalised(prefix)}-${header}`
}
