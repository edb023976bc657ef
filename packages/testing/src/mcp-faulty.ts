import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { isJsonObject, type JsonObject } from '@toolgate/core'
import { goodAnswer } from './mcp-faulty-answers.ts'

/** One request as a faulty server sees it. */
export interface Exchange {
  readonly method: string
  /** The JSON-RPC message of a POST; `{}` where there is none. */
  readonly message: JsonObject
  readonly incoming: IncomingMessage
  readonly response: ServerResponse
  /** Of requests with this JSON-RPC method to this server, counted from 1. */
  readonly count: number
  /** Headers and body as one text: what an error page that repeats its request would show. */
  readonly raw: string
}

/** Answers one request, in whatever wrong way. */
export type Fault = (exchange: Exchange) => void | Promise<void>

/** To which requests a server answers with its fault; to the others it answers well. */
export type FaultPlace = 'everything' | 'list' | 'call'

export interface FaultyMcpServers extends AsyncDisposable {
  /** Adds a server behind the same port and answers its address. */
  host(name: string, fault: Fault, place: FaultPlace): string
  /** How many requests with this JSON-RPC method a server got; without a method, how many in all. */
  received(name: string, rpcMethod?: string): number
  /** Requests of a server that were neither answered nor given up by their client. */
  openExchanges(name: string): number
  /** Sockets of all clients. */
  readonly sockets: number
}

interface Hosted {
  readonly fault: Fault
  readonly place: FaultPlace
  readonly received: string[]
  open: number
}

/**
 * Any number of streamable HTTP servers behind one loopback port, each with a fault of its own. Without sessions, because a
 * fault in ending one would be another fault.
 */
export async function startFaultyMcpServers(): Promise<FaultyMcpServers> {
  const hosted = new Map<string, Hosted>()

  const serve = async (incoming: IncomingMessage, response: ServerResponse) => {
    const body = await text(incoming)
    const server = hosted.get((incoming.url ?? '').split('/')[1] ?? '')
    if (server === undefined) throw new TypeError(`nobody hosted ${incoming.url}`)
    const message = messageOf(body)
    const rpcMethod = typeof message['method'] === 'string' ? message['method'] : ''
    server.received.push(rpcMethod)
    server.open += 1
    response.on('close', () => (server.open -= 1))
    const count = server.received.filter((one) => one === rpcMethod).length
    const raw = `${incoming.rawHeaders.join('\n')}\n\n${body}`
    const exchange = { method: incoming.method ?? '', message, incoming, response, count, raw }
    await (isPlace(server.place, rpcMethod) ? server.fault(exchange) : answerWell(exchange))
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
    host(name, fault, place) {
      hosted.set(name, { fault, place, received: [], open: 0 })
      return `http://127.0.0.1:${port}/${name}/mcp`
    },
    received(name, rpcMethod) {
      const received = hosted.get(name)?.received ?? []
      return rpcMethod === undefined ? received.length : received.filter((one) => one === rpcMethod).length
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

/** Listens on any free loopback port and answers which. */
export async function listenOnLoopback(server: ReturnType<typeof createServer>): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address: AddressInfo | string | null = server.address()
  if (address === null || typeof address === 'string') throw new TypeError('not listening on a port')
  return address.port
}

export function answerWell({ method, message, response }: Exchange): void {
  if (method !== 'POST') return void response.writeHead(method === 'DELETE' ? 200 : 405).end()
  const good = goodAnswer(message)
  if (good === undefined) return void response.writeHead(202).end()
  sendJson(response, good)
}

export function sendJson(response: ServerResponse, body: object | string): void {
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(typeof body === 'string' ? body : JSON.stringify(body))
}

function isPlace(place: FaultPlace, rpcMethod: string): boolean {
  return place === 'everything' || rpcMethod === `tools/${place}`
}

export function messageOf(body: string): JsonObject {
  if (body === '') return {}
  const parsed: unknown = JSON.parse(body)
  return isJsonObject(parsed) ? parsed : {}
}
