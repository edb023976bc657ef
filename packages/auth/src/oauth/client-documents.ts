/**
 * Clients whose id is the address of a document about them (OAuth Client ID Metadata Document). The address comes from a
 * stranger, so it is dialled through the guard, nothing is followed, little is read, and no stranger takes more than a share of
 * the reads. Documents count for minutes, and for hours while their host is away; failures for seconds, so that nobody has the
 * gateway knock at a door again and again.
 */
import {
  type Clock,
  createSingleFlight,
  GatewayError,
  isJsonObject,
  type Outbound,
  startDeadline,
} from '@toolgate/core'
import { LRUCache } from 'lru-cache'
import { BodyTooLong, boundedText } from '../bounded-text.ts'
import { readClientMetadata, grantTypesOf } from './client-metadata.ts'
import type { Asker, OauthClient } from './clients.ts'
import { oauthError } from './oauth-error.ts'
import { createPlaces } from './places.ts'

/**
 * Rejects with `invalid_client` where what is there describes no such client, and with `CLIENT_DOCUMENT_UNAVAILABLE` where
 * nobody can say at the moment: upon the former a client throws away what it holds.
 */
export type ReadClientDocument = (clientId: string, asker: Asker) => Promise<OauthClient>

const documentMs = 5 * 60_000
/** For so long a document that was read counts where it cannot be read again. */
const lastGoodMs = 6 * 60 * 60_000
const failureMs = 30_000
const requestMs = 5_000
const maxBytes = 32 * 1024
const mostDocuments = 500
const mostFailures = 2_000
const longestAddress = 2_048
/** Reads under way at a time, for one address that asks, at one host, and in all; whoever comes then is told to come back. */
const mostAtOnce = { asker: 4, host: 4, all: 64 }

const loopback = new Set(['localhost', '127.0.0.1', '[::1]'])

/** An https address with a path, and nothing in it that could be read in two ways. On loopback http will do; the guard still decides. */
export function isClientDocumentAddress(clientId: string): boolean {
  const url = clientId.length <= longestAddress ? URL.parse(clientId) : null
  if (url === null || url.href !== clientId || url.username !== '' || url.password !== '' || url.hash !== '')
    return false
  return url.pathname !== '/' && (url.protocol === 'https:' || (url.protocol === 'http:' && loopback.has(url.hostname)))
}

export interface ClientDocumentsOptions {
  /** Guarded. */
  readonly outbound: Outbound
  readonly clock: Clock
}

export function createClientDocuments(options: ClientDocumentsOptions): ReadClientDocument {
  const { clock } = options
  const time = { perf: { now: () => clock.monotonic() }, ttlResolution: 0 }
  const known = new LRUCache<string, { client: OauthClient; readAt: number }>({
    ...time,
    max: mostDocuments,
    ttl: lastGoodMs,
  })
  // Apart: addresses that lead nowhere cost a stranger nothing, and must not push documents out.
  const failed = new LRUCache<string, 'unfit' | 'away'>({ ...time, max: mostFailures, ttl: failureMs })
  const singleFlight = createSingleFlight<OauthClient>()
  const takePlace = createPlaces(mostAtOnce)

  const read = async (clientId: string, { address: asker }: Asker, signal: AbortSignal): Promise<OauthClient> => {
    const leave = takePlace({ asker, host: new URL(clientId).host })
    if (leave === undefined) throw away()
    try {
      const client = await readDocument(clientId, options, signal)
      known.set(clientId, { client, readAt: clock.monotonic() })
      return client
    } catch (error) {
      signal.throwIfAborted()
      const isUnfit = !isAway(error)
      failed.set(clientId, isUnfit ? 'unfit' : 'away')
      if (isUnfit) known.delete(clientId)
      // Whatever it was, it stays here: what answers at an address is not for a stranger to learn.
      throw isUnfit ? unfit(error) : away(error)
    } finally {
      leave()
    }
  }

  return async (clientId, asker) => {
    const last = known.get(clientId)
    if (last !== undefined && clock.monotonic() - last.readAt < documentMs) return last.client
    try {
      const before = failed.get(clientId)
      if (before !== undefined) throw before === 'unfit' ? unfit() : away()
      return await singleFlight(clientId, asker.signal, (signal) => read(clientId, asker, signal))
    } catch (error) {
      asker.signal.throwIfAborted()
      // Open on purpose: who was sound an hour ago is not signed out because its host is away or busy.
      if (last !== undefined && isAway(error)) return last.client
      throw error
    }
  }
}

async function readDocument(
  clientId: string,
  { outbound, clock }: ClientDocumentsOptions,
  signal: AbortSignal,
): Promise<OauthClient> {
  const { status, text } = await fetchText(clientId, { outbound, clock, signal })
  if (isPassing(status)) throw away(`HTTP ${status}`)
  const document: unknown = status === 200 ? JSON.parse(text) : undefined
  if (!isJsonObject(document) || document['client_id'] !== clientId) throw new Error('not the document of this client')
  const metadata = readClientMetadata(document)
  const { client_name: name, redirect_uris: redirectUris, token_endpoint_auth_method: method = 'none' } = metadata
  if (method !== 'none') throw new Error('it shows itself in a way that is not spoken here')
  const refreshable = grantTypesOf(metadata).includes('refresh_token')
  return { id: clientId, name, redirectUris, refreshable, host: new URL(clientId).host, proof: { method: 'none' } }
}

async function fetchText(url: string, { outbound, clock, signal }: ClientDocumentsOptions & { signal: AbortSignal }) {
  using deadline = startDeadline(clock, requestMs, signal)
  try {
    const response = await outbound.fetch(url, {
      headers: { accept: 'application/json' },
      signal: deadline.signal,
    })
    return { status: response.status, text: await boundedText(response, maxBytes) }
  } catch (error) {
    throw isForGood(error) ? error : away(error)
  }
}

/** What will be so the next time as well: more than is read, an address that is not dialled, a redirect. */
function isForGood(error: unknown): boolean {
  if (error instanceof BodyTooLong) return true
  const { cause } = error instanceof Error ? error : {}
  if (cause instanceof GatewayError) return cause.internal === 'ADDRESS_REFUSED'
  return cause instanceof Error && cause.message === 'unexpected redirect'
}

/** A host that says of itself that it will be better. */
function isPassing(status: number): boolean {
  return status >= 500 || status === 408 || status === 425 || status === 429
}

function isAway(error: unknown): boolean {
  return error instanceof GatewayError && error.code === 'CLIENT_DOCUMENT_UNAVAILABLE'
}

function unfit(cause?: unknown) {
  return oauthError(
    'invalid_client',
    'The metadata document of this client cannot be read, or describes another.',
    cause,
  )
}

function away(cause?: unknown) {
  const message = 'The metadata document of this client cannot be read at the moment. Try again in a minute.'
  return new GatewayError('CLIENT_DOCUMENT_UNAVAILABLE', message, { cause, details: { retryAfter: '30' } })
}
