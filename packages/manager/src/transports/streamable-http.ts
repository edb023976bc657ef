import { definePlug, isJsonObject, type JsonObject } from '@toolgate/core'
import { z } from 'zod'
import type { Connection, Handshake } from '../upstream/connection.ts'
import { shakeHands } from '../upstream/handshake.ts'
import { withoutCredentials } from './address.ts'
import { HttpLink, type ServerLoad } from './http/http-link.ts'
import { listen } from './http/http-listener.ts'
import { createLegacyFallback, refusedAsUnknown } from './legacy-fallback.ts'
import { connectSse } from './sse.ts'
import type { ConnectRequest, TransportOptions, UpstreamTransport } from './transport.ts'

/** GET streams per server. Each holds a socket of the origin for its whole life, and calls need sockets too. */
const maxListeningStreams = 64

const schema = z.strictObject({ url: z.url({ protocol: /^https?$/ }) })

/**
 * Streamable HTTP, protocol versions 2024-11-05 to 2025-11-25 (spec 2025-11-25, Transports). A server at the same address
 * that only speaks the legacy HTTP+SSE is found out and spoken to in its way.
 */
export const streamableHttp = definePlug({
  type: 'http',
  schema,
  create({ url }, options: TransportOptions): UpstreamTransport {
    const target = { url, listening: { count: 0 }, load: { calls: 0 }, ...options }
    const legacy = createLegacyFallback({
      modern: (request) => connect(target, request),
      legacy: (request) => connectSse(new URL(url), options, request),
    })
    return {
      type: 'http',
      address: withoutCredentials(url),
      sharing: 'unless-sessionful',
      sendsHeaders: true,
      connect: legacy.connect,
      diagnostics: () => ({ transportInUse: legacy.transportInUse }),
    }
  },
})

interface HttpTarget extends TransportOptions {
  readonly url: string
  readonly listening: { count: number }
  readonly load: ServerLoad
}

async function connect(target: HttpTarget, request: ConnectRequest): Promise<Connection> {
  const { server, credential, clientCapabilities, exclusive, onUnsolicited } = request
  const { url, load, outbound, clock, log, clientInfo } = target
  const link = new HttpLink({
    server: server.name,
    url,
    load,
    outbound,
    clock,
    log,
    credential: () => credential.headers(),
    declared: clientCapabilities,
    exclusive,
    onUnsolicited,
  })
  let initialised = false
  try {
    const carrier = {
      request: link.request.bind(link),
      notify: link.notify.bind(link),
      speak(version: string) {
        initialised = true
        link.speak(version)
      },
    }
    const handshake = await shakeHands(carrier, { request, clock, clientInfo, ms: server.timeouts.handshakeMs })
    return connectionOver(link, { target, request, handshake })
  } catch (error) {
    void link.close()
    throw initialised ? error : refusedAsUnknown(error)
  }
}
function connectionOver(
  link: HttpLink,
  { target, request, handshake }: { target: HttpTarget; request: ConnectRequest; handshake: Handshake },
): Connection {
  const closing = new AbortController()
  const sessionful = link.sessionId !== undefined
  if (sessionful && wantsToListen(request, handshake)) void listenInBackground(link, { target, request, closing })
  return {
    handshake,
    sessionful,
    get open() {
      return link.open
    },
    request: (upstreamRequest) => link.request(upstreamRequest),
    close() {
      closing.abort()
      return link.close()
    },
  }
}

/** Who listens: the connection that catalogs are made over, and one whose caller the server may ask back. */
function wantsToListen({ caller, clientCapabilities }: ConnectRequest, { capabilities }: Handshake): boolean {
  if (Object.keys(clientCapabilities).length > 0) return true
  return caller === undefined && ['tools', 'prompts', 'resources'].some((kind) => announces(capabilities[kind]))
}

function announces(capability: JsonObject[string] | undefined): boolean {
  return isJsonObject(capability) && capability['listChanged'] === true
}

async function listenInBackground(
  link: HttpLink,
  { target, request, closing }: { target: HttpTarget; request: ConnectRequest; closing: AbortController },
): Promise<void> {
  const { listening, url, outbound, clock, log } = target
  if (listening.count >= maxListeningStreams) return
  listening.count += 1
  const { server, credential } = request
  await listen(link, closing.signal, {
    server: server.name,
    url,
    outbound,
    clock,
    log,
    credential: () => credential.headers(),
  })
  listening.count -= 1
}
