import type { Circuits } from './circuit.ts'
import type { Pool } from './pool.ts'

/** What a connection is borrowed with: where they are, and which servers it is worth asking. */
export interface Upstreams {
  readonly pool: Pool
  readonly circuits: Circuits
}
