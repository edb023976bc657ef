import { once } from 'node:events'
import type { Server } from 'node:http'

export interface Listening extends AsyncDisposable {
  /** Without path: `http://127.0.0.1:…`. */
  readonly origin: string
}

/** On loopback, at a port that the system chooses. */
export async function listen(server: Server): Promise<Listening> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new TypeError('not listening on a port')
  return {
    origin: `http://127.0.0.1:${address.port}`,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}
