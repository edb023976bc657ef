import { GatewayError } from '@toolgate/core'

/**
 * Why a request ends whose signal aborted: the client is gone, which nobody reads but the ledger, or what the gateway itself
 * gave as its reason.
 */
export function cancelled({ reason }: Pick<AbortSignal, 'reason'>, cause: unknown = reason): GatewayError {
  if (reason instanceof GatewayError && reason.code !== 'CANCELLED') return reason
  return new GatewayError('CANCELLED', 'The client closed the request.', { cause })
}
