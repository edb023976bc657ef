import type { Peer } from './caller.ts'
import { GatewayError } from './errors.ts'

/** A client that cannot be reached back: REST and chat callers. It declares nothing and hears nothing. */
export const silentPeer: Peer = {
  capabilities: {},
  notify() {},
  async request({ method }) {
    throw new GatewayError('METHOD_NOT_FOUND', `This client cannot answer "${method}".`)
  },
}
