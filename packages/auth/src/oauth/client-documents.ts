/**
 * Clients whose id is the address of a document about them (OAuth Client ID Metadata Document). The address comes from a
 * stranger, so it is dialled through the guard, nothing is followed, and little is read. Documents are kept for minutes; so are
 * failures, for seconds, so that nobody has the gateway knock at a door again and again.
 */
import { type Clock, isJsonObject, type Outbound, startDeadline } from '@toolgate/core'
import { LRUCache } from 'lru-cache'
import { boundedText } from '../bounded-text.ts'
import { readClientMetadata, grantTypesOf } from './client-metadata.ts'
import type { OauthClient } from './clients.ts'
import { oauthError } from './oauth-error.ts'

/** Rejects with `invalid_client` where there is no document that describes this client. */
export type ReadClientDocument = (clientId: string, signal: AbortSignal) => Promise<OauthClient>

const documentMs = 5 * 60_000
const failureMs = 30_000
const requestMs = 5_000
const maxBytes = 32 * 1024
const mostDocuments = 500
const longestAddress = 2_048
/** Reads under way at a time; whoever comes then is told to come back. */
const mostAtOnce = 8

const loopback = new Set(['localhost', '127.0.0.1', '[::1]'])

/** An https address with a path, and nothing in it that could be read in two ways. On loopback http will do; the guard still decides. */
export function isClientDocumentAddress(clientId: string): boolean {
  const url = clientId.length <= longestAddress ? URL.parse(clientId) : null
  if (url === null || url.href !== clientId || url.username !== '' || url.password !== '' || url.hash !== '')
    return false
  return url.pathname !== '/' && (url.protocol === 'https:' || (url.protocol === 'http:' && loopback.has(url.hostname)))
}

export function createClientDocuments({
  outbound,
  clock,
}: {
  /** Guarded. */
  readonly outbound: Outbound
  readonly clock: Clock
}): ReadClientDocument {
  const time = { perf: { now: () => clock.monotonic() }, ttlResolution: 0 }
  const known = new LRUCache<string, OauthClient | 'failed'>({ ...time, max: mostDocuments, ttl: documentMs })
  let underWay = 0

  const read = async (clientId: string, signal: AbortSignal): Promise<OauthClient> => {
    underWay += 1
    try {
      const client = await readDocument(clientId, { outbound, clock, signal })
      known.set(clientId, client)
      return client
    } catch (error) {
      signal.throwIfAborted()
      known.set(clientId, 'failed', { ttl: failureMs })
      // Whatever it was, it stays here: what answers at an address is not for a stranger to learn.
      throw unreadable(error)
    } finally {
      underWay -= 1
    }
  }

  return async (clientId, signal) => {
    const before = known.get(clientId)
    if (before === 'failed' || (before === undefined && underWay >= mostAtOnce)) throw unreadable()
    return before ?? read(clientId, signal)
  }
}

async function readDocument(
  clientId: string,
  { outbound, clock, signal }: { outbound: Outbound; clock: Clock; signal: AbortSignal },
): Promise<OauthClient> {
  using deadline = startDeadline(clock, requestMs, signal)
  const response = await outbound.fetch(clientId, {
    headers: { accept: 'application/json' },
    signal: deadline.signal,
  })
  const text = await boundedText(response, maxBytes)
  const document: unknown = response.status === 200 ? JSON.parse(text) : undefined
  if (!isJsonObject(document) || document['client_id'] !== clientId) throw new Error('not the document of this client')
  const metadata = readClientMetadata(document)
  const { client_name: name, redirect_uris: redirectUris, token_endpoint_auth_method: method = 'none' } = metadata
  if (method !== 'none') throw new Error('it shows itself in a way that is not spoken here')
  const refreshable = grantTypesOf(metadata).includes('refresh_token')
  return { id: clientId, name, redirectUris, refreshable, host: new URL(clientId).host, proof: { method: 'none' } }
}

function unreadable(cause?: unknown) {
  return oauthError(
    'invalid_client',
    'The metadata document of this client cannot be read, or describes another.',
    cause,
  )
}
