import { serve } from '@hono/node-server'

export interface LoopbackServer extends AsyncDisposable {
  /** Without path: `http://127.0.0.1:…`. */
  readonly origin: string
}

type FetchHandler = Parameters<typeof serve>[0]['fetch']

/** An app behind a real socket, as the process serves it: for what no call in process has, such as a lost connection. */
export async function serveOnLoopback(fetch: FetchHandler): Promise<LoopbackServer> {
  const listening = Promise.withResolvers<number>()
  const http = serve({ fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) => listening.resolve(port))
  return {
    origin: `http://127.0.0.1:${await listening.promise}`,
    async [Symbol.asyncDispose]() {
      if ('closeAllConnections' in http) http.closeAllConnections()
      await new Promise((resolve) => http.close(resolve))
    },
  }
}
