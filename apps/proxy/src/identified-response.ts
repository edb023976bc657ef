import { type IncomingMessage, type OutgoingHttpHeader, type OutgoingHttpHeaders, ServerResponse } from 'node:http'

type Headers = OutgoingHttpHeaders | OutgoingHttpHeader[]

/**
 * A response that carries headers of its own beside those that it is written with, and sends all of them in one piece: where
 * one was set before, Node takes the others apart and checks each of them again.
 */
export class IdentifiedResponse<Request extends IncomingMessage> extends ServerResponse<Request> {
  /** Where the answer has one of these as well, that one counts. */
  ownHeaders: Readonly<Record<string, string>> = {}

  override writeHead(statusCode: number, first?: string | Headers, second?: Headers): this {
    const statusMessage = typeof first === 'string' ? first : undefined
    const given = typeof first === 'string' ? second : (second ?? first)
    if (given !== undefined && !Array.isArray(given)) {
      return super.writeHead(statusCode, statusMessage, { ...this.ownHeaders, ...given })
    }
    // A list may hold a name twice, and is left as it is.
    for (const [name, value] of Object.entries(this.ownHeaders)) if (!this.hasHeader(name)) this.setHeader(name, value)
    return super.writeHead(statusCode, statusMessage, given)
  }
}
