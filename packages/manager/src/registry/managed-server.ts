import type { ServerDefinition } from '@toolgate/core'
import { asPrefix, prefixesOf } from '../public-name.ts'
import type { UpstreamTransport } from '../transports/transport.ts'

/** A server definition with the means to reach it. */
export interface ManagedServer extends ServerDefinition {
  readonly transport: UpstreamTransport
}

/** A server that is declared and could not be made, by what it is called: that stays its own. */
export interface LeftOutServer {
  /** Name and alias, as far as they could be read. */
  readonly names: readonly string[]
  readonly ids: readonly string[]
}

export type DeclaredServer = ManagedServer | LeftOutServer

export function isLeftOut(server: DeclaredServer): server is LeftOutServer {
  return 'names' in server
}

/** Every word that means it, spelt as in public names. */
export function wordsOf(server: DeclaredServer): readonly string[] {
  return isLeftOut(server) ? [...server.names, ...server.ids].map(asPrefix) : prefixesOf(server)
}
