import type { StopListening } from '@toolgate/db'

/** Carries messages to all gateways of one database, this one among them, in the order of each sender. */
export interface Post {
  /** Rejects with `STORE_UNAVAILABLE`. */
  send(message: string): Promise<void>
  listen(heard: (message: string) => void): Promise<StopListening>
}
