import { GatewayError } from '@toolgate/core'

/** The client is gone: nobody reads this, the ledger does. */
export function cancelled(cause?: unknown): GatewayError {
  return new GatewayError('CANCELLED', 'The client closed the request.', { cause })
}
