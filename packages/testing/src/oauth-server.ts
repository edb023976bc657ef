import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

/** One request as the token endpoint received it. */
export interface TokenEndpointRequest {
  /** Counted from 1. */
  readonly number: number
  readonly headers: IncomingHttpHeaders
  readonly form: URLSearchParams
  /** Headers and body as one text, for canaries. */
  readonly raw: string
}

/** `hang`: accepts the request and never answers. An object as body is sent as JSON, a text as it is. */
export type TokenEndpointAnswer =
  | 'hang'
  | { readonly status?: number; readonly headers?: Record<string, string>; readonly body: object | string | null }

export interface OauthServer extends AsyncDisposable {
  readonly tokenUrl: string
  /** Host and port, as messages name it. */
  readonly host: string
  readonly origin: string
  readonly requests: readonly TokenEndpointRequest[]
  /** Path → what a GET of it answers, as JSON; any other is a 404. */
  readonly documents: Map<string, object>
  /** From now on every request is answered with what this returns. */
  answer(decide: (request: TokenEndpointRequest) => TokenEndpointAnswer | Promise<TokenEndpointAnswer>): void
}

/** A token endpoint on loopback. Until told otherwise it mints `token-1`, `token-2`, … for an hour each. */
export async function startOauthServer(): Promise<OauthServer> {
  const requests: TokenEndpointRequest[] = []
  const documents = new Map<string, object>()
  let decide: (request: TokenEndpointRequest) => TokenEndpointAnswer | Promise<TokenEndpointAnswer> = ({ number }) => ({
    body: { access_token: `token-${number}`, token_type: 'Bearer', expires_in: 3600 },
  })

  const serve = async (incoming: IncomingMessage, response: ServerResponse) => {
    const body = await text(incoming)
    if (incoming.method === 'GET') {
      const document = documents.get(incoming.url ?? '')
      return send(response, { status: document === undefined ? 404 : 200, body: document ?? {} })
    }
    const request: TokenEndpointRequest = {
      number: requests.length + 1,
      headers: incoming.headers,
      form: new URLSearchParams(body),
      raw: `${incoming.rawHeaders.join('\n')}\n\n${body}`,
    }
    requests.push(request)
    send(response, await decide(request))
  }
  // A failing `decide` drops the connection, which the test sees as an unreachable endpoint.
  const server = createServer((incoming, response) => void serve(incoming, response).catch(() => response.destroy()))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const host = `127.0.0.1:${portOf(server.address())}`

  return {
    tokenUrl: `http://${host}/token`,
    host,
    origin: `http://${host}`,
    requests,
    documents,
    answer(next) {
      decide = next
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

function send(response: ServerResponse, answer: TokenEndpointAnswer): void {
  if (answer === 'hang') return
  const { status = 200, headers = { 'content-type': 'application/json' }, body } = answer
  response.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body))
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new TypeError('not listening on a port')
  return address.port
}
