import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import type { JsonObject } from '@toolgate/core'
import { listenOnLoopback, messageOf } from './mcp-faulty.ts'
import { goodAnswer } from './mcp-faulty-answers.ts'
import { eventOf } from './mcp-faulty-stream.ts'

/** What a legacy server gets wrong; where it says nothing it does well. */
export interface LegacyFault {
  /** Answers the GET that opens the stream. */
  readonly open?: (asked: Asked) => void
  /** Where messages go, as the first event says. */
  readonly endpoint?: string
  /** Deals with one message that is POSTed. False: as a good server would. */
  readonly take?: (posted: Posted) => boolean | Promise<boolean>
}

export interface Asked {
  readonly response: ServerResponse
  /** Headers and body as one text. */
  readonly raw: string
}

export interface Posted extends Asked {
  readonly message: JsonObject
  readonly stream: ServerResponse
}

export interface FaultyLegacyServers extends AsyncDisposable {
  /** Adds a server behind the same port and answers its address. */
  host(name: string, fault: LegacyFault): string
  /** Requests that are not over: streams, and POSTs without an answer. */
  openExchanges(name: string): number
  readonly sockets: number
}

/** Any number of legacy HTTP+SSE servers behind one loopback port, each with a fault of its own. */
export async function startFaultyLegacyServers(): Promise<FaultyLegacyServers> {
  const hosted = new Map<string, { readonly fault: LegacyFault; open: number }>()
  const streams = new Map<string, ServerResponse>()

  const serve = async (incoming: IncomingMessage, response: ServerResponse) => {
    const [, name = '', session = ''] = (incoming.url ?? '').split('/')
    const server = hosted.get(name)
    if (server === undefined) return void response.writeHead(404).end()
    server.open += 1
    response.on('close', () => (server.open -= 1))
    const body = await text(incoming)
    const asked = { response, raw: `${incoming.rawHeaders.join('\n')}\n\n${body}` }
    const { fault } = server
    if (incoming.method === 'GET') {
      if (fault.open !== undefined) return fault.open(asked)
      const id = String(streams.size + 1)
      streams.set(id, response)
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      return void response.write(`event: endpoint\ndata: ${fault.endpoint ?? `/${name}/${id}`}\n\n`)
    }
    const stream = streams.get(session)
    if (stream === undefined) return void response.writeHead(404).end()
    const message = messageOf(body)
    if ((await fault.take?.({ ...asked, message, stream })) === true) return undefined
    response.writeHead(202).end()
    const good = goodAnswer(message)
    if (good !== undefined) stream.write(eventOf(good))
  }
  // A fault that fails itself, because its client went away, cuts the connection.
  const http = createServer((incoming, response) => void serve(incoming, response).catch(() => response.destroy()))
  let sockets = 0
  http.on('connection', (socket) => {
    sockets += 1
    socket.on('close', () => (sockets -= 1))
  })
  const port = await listenOnLoopback(http)

  return {
    host(name, fault) {
      hosted.set(name, { fault, open: 0 })
      return `http://127.0.0.1:${port}/${name}`
    },
    openExchanges: (name) => hosted.get(name)?.open ?? 0,
    get sockets() {
      return sockets
    },
    async [Symbol.asyncDispose]() {
      http.closeAllConnections()
      await new Promise((resolve) => http.close(resolve))
    },
  }
}

/** A fault in answering calls (or another method): the POST is accepted, what comes on the stream is the fault's. */
export function onStream(
  reply: (posted: Posted) => void | Promise<void>,
  rpcMethod: string = 'tools/call',
): LegacyFault {
  return {
    async take(posted) {
      if (posted.message['method'] !== rpcMethod) return false
      posted.response.writeHead(202).end()
      await reply(posted)
      return true
    },
  }
}

/** A fault in accepting them. */
export function onPost(reply: (posted: Posted) => void, rpcMethod: string = 'tools/call'): LegacyFault {
  return {
    take(posted) {
      if (posted.message['method'] !== rpcMethod) return false
      reply(posted)
      return true
    },
  }
}
