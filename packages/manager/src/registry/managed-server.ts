import type { ServerDefinition } from '@toolgate/core'
import type { UpstreamTransport } from '../transports/transport.ts'

/** A server definition with the means to reach it. */
export interface ManagedServer extends ServerDefinition {
  readonly transport: UpstreamTransport
}
