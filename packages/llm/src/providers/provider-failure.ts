import { classifyOutboundFailure, GatewayError, isJsonObject } from '@toolgate/core'
import { cancelled } from '../cancelled.ts'
import type { ProviderParty } from './provider.ts'
import { withoutCredentials } from './told-credentials.ts'

/** Providers' failures in the gateway's words. Credentials in them are taken out first. */

const maxMessageLength = 1_000

export interface ProviderRefusal {
  readonly status: number
  readonly text: string
  /** The header of that name. */
  readonly retryAfter?: string | undefined
}

/** Seconds or a date (RFC 9110 §10.2.3); anything else is not passed on. */
const retryAfterPattern = /^[\w ,:]{1,40}$/

/** A provider's own HTTP error; the client gets status, body and when to come again as details. */
export function providerError(party: ProviderParty, { status, text, retryAfter }: ProviderRefusal): GatewayError {
  const body = parseBody(withoutCredentials(text, party.credentials))
  return new GatewayError('PROVIDER_ERROR', `${nameOf(party)} answered with an error (${status}): ${messageOf(body)}`, {
    details: {
      provider: { status, body },
      ...(retryAfter !== undefined && retryAfterPattern.test(retryAfter) && { retryAfter }),
    },
  })
}

export function providerProtocolError(party: ProviderParty, problem: string, cause?: unknown): GatewayError {
  return new GatewayError('PROVIDER_PROTOCOL', `${nameOf(party)} ${problem}`, { cause })
}

/** A server that is there and speaks something else. */
export function unreadableAnswer(party: ProviderParty, cause: unknown): GatewayError {
  return providerProtocolError(party, 'answered with something that cannot be read. Check its api_base.', cause)
}

/** Anything thrown on the way to a provider; `signal` is the client's. */
export function toProviderFailure(error: unknown, party: ProviderParty, signal: AbortSignal): GatewayError {
  if (signal.aborted) return cancelled(signal, error)
  if (error instanceof GatewayError) {
    if (error.code !== 'UPSTREAM_PROTOCOL') return error
    return providerProtocolError(party, `answered unusably. ${error.message}`, error)
  }
  const chain = causes(error)
  if (chain.some((cause) => classifyOutboundFailure(cause) === 'timeout')) {
    return new GatewayError('PROVIDER_TIMEOUT', `${nameOf(party)} did not answer in time. Try again later.`, {
      cause: error,
    })
  }
  // Sockets, DNS and TLS all name a code; what has none went wrong above them.
  if (!chain.some((cause) => 'code' in cause)) return unreadableAnswer(party, error)
  return new GatewayError('PROVIDER_UNREACHABLE', `${nameOf(party)} cannot be reached. Try again later.`, {
    cause: error,
  })
}

const maxCauses = 5

/** Libraries wrap what the socket said. */
function causes(error: unknown): Error[] {
  const chain: Error[] = []
  for (let current = error; current instanceof Error && chain.length < maxCauses; current = current.cause) {
    chain.push(current)
  }
  return chain
}

function nameOf({ provider, model }: ProviderParty): string {
  return `The provider "${provider}" (model "${model}")`
}

function parseBody(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Proxies in front of a provider answer in HTML or plain text: shown as it is.
    return text
  }
}

function messageOf(body: unknown): string {
  const error = isJsonObject(body) ? body['error'] : undefined
  const within = isJsonObject(error) ? error : body
  const message = isJsonObject(within) ? within['message'] : (error ?? body)
  const text = typeof message === 'string' && message !== '' ? message : 'no message'
  return text.slice(0, maxMessageLength)
}
