import { definePlug, isJsonObject } from '@toolgate/core'
import { z } from 'zod'
import { withinDeadline } from '../upstream/within-deadline.ts'
import { announced } from '../modern/announced.ts'
import type { Connection, Handshake } from '../upstream/connection.ts'
import { shakeHands } from '../upstream/handshake.ts'
import { askable } from '../upstream/isolation.ts'
import { withoutCredentials } from './address.ts'
import { discoverServer } from './discover.ts'
import { eraOf } from './http/era-memory.ts'
import { HttpLink, type ServerLoad } from './http/http-link.ts'
import { type Hearing, listen, listenBesideSession, type ListenOnce } from './http/http-listener.ts'
import { ModernLink } from './http/modern-link.ts'
import { createNegotiation } from './http/negotiation.ts'
import { ResourceSubscriptions } from './http/resource-subscriptions.ts'
import { listenModernly } from './http/subscription.ts'
import { createToolHeaders, type ToolHeaders } from './http/tool-headers.ts'
import { createLegacyFallback, refusedAsUnknown } from './legacy-fallback.ts'
import { connectSse } from './sse.ts'
import type { ConnectRequest, TransportOptions, UpstreamTransport } from './transport.ts'

/** GET streams per server. Each holds a socket of the origin for its whole life, and calls need sockets too. */
const maxListeningStreams = 64

const schema = z.strictObject({ url: z.url({ protocol: /^https?$/ }) })

/**
 * Streamable HTTP of both eras, protocol versions 2024-11-05 to 2026-07-28. A server at the same address that only speaks
 * the legacy HTTP+SSE is found out and spoken to in its way.
 */
export const streamableHttp = definePlug({
  type: 'http',
  schema,
  create({ url }, options: TransportOptions): UpstreamTransport {
    const toolHeaders = createToolHeaders()
    const target = { url, listening: { count: 0 }, load: { calls: 0 }, toolHeaders, ...options }
    const negotiation = createNegotiation(options.clock, {
      discover: (request) => discoverServer(modernLink(target, request), request),
      modern: (request, handshake, onLost) => connectModernly(target, request, { handshake, onLost }),
      legacy: (request) => connect(target, request),
    })
    const transport = createLegacyFallback({
      streamable: negotiation.connect,
      sse: (request) => connectSse(new URL(url), options, request),
    })
    return {
      type: 'http',
      address: withoutCredentials(url),
      sharing: 'unless-sessionful',
      sendsHeaders: true,
      eraFor: (wanted, scope) => (transport.transportInUse === 'sse' ? 'legacy' : negotiation.eraFor(wanted, scope)),
      connect: transport.connect,
      diagnostics() {
        const { latest } = negotiation
        const { transportInUse } = transport
        return latest === undefined || transportInUse === 'sse'
          ? { transportInUse }
          : { transportInUse, era: eraOf(latest), eraSince: latest.since }
      },
    }
  },
})

/** Milliseconds that the first requests to a server that may ask back wait for the stream on which it might. */
const firstStreamMs = 1_000

interface HttpTarget extends TransportOptions {
  readonly url: string
  readonly listening: { count: number }
  readonly load: ServerLoad
  readonly toolHeaders: ToolHeaders
}

async function connect(target: HttpTarget, request: ConnectRequest): Promise<Connection> {
  const { clock, clientInfo } = target
  const { server, clientCapabilities, exclusive } = request
  const link = new HttpLink({ ...linkOptions(target, request), declared: clientCapabilities, exclusive })
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

function linkOptions(
  { url, load, outbound, clock, log }: HttpTarget,
  { server, credential, onUnsolicited }: ConnectRequest,
) {
  return {
    server: server.name,
    url,
    load,
    outbound,
    clock,
    log,
    credential: () => credential.headers(),
    onUnsolicited,
  }
}

function connectionOver(
  link: HttpLink,
  { target, request, handshake }: { target: HttpTarget; request: ConnectRequest; handshake: Handshake },
): Connection {
  const closing = new AbortController()
  const sessionful = link.sessionId !== undefined
  const place = { server: request.server.name, stage: 'call' } as const
  const answered = Promise.withResolvers<void>()
  let listening = false
  let settled = false
  const onAnswer = () => {
    settled = true
    answered.resolve()
  }
  const startListening = () => {
    if (listening || !sessionful) return
    listening = true
    const options = { ...target, credential: () => request.credential.headers(), onAnswer }
    const once = (hearing: Hearing) => listenBesideSession(link, closing.signal, { ...options, hearing })
    void listenInBackground(once, { target, request, signal: closing.signal }).finally(onAnswer)
  }
  const streamKnown = () => withinDeadline(answered.promise, { clock: target.clock, ms: firstStreamMs, late: onAnswer })
  const asks = Object.keys(request.clientCapabilities).length > 0
  if (wantsToListen(request, handshake)) startListening()
  return {
    handshake,
    sessionful,
    get open() {
      return link.open
    },
    request(upstreamRequest) {
      // What was subscribed to is told outside any request.
      if (upstreamRequest.method === 'resources/subscribe') startListening()
      // Some servers ask there also during a call, and lose a question for which the stream is not there yet.
      if (asks && listening && !settled) return streamKnown().then(() => link.request(upstreamRequest))
      return link.request(upstreamRequest)
    },
    notify: (notification, delivery) => link.notify(notification, { ...delivery, place }),
    close() {
      closing.abort()
      return link.close()
    },
  }
}

function modernLink(target: HttpTarget, request: ConnectRequest, onLost = () => {}): ModernLink {
  const { clientInfo, toolHeaders } = target
  const { caller, server, clientCapabilities } = request
  // What is listed for everybody is listed for a client that can do whatever the server may ask.
  const declared = caller === undefined ? askable(server) : clientCapabilities
  return new ModernLink({ ...linkOptions(target, request), clientInfo, toolHeaders, declared, onLost })
}

function connectModernly(
  target: HttpTarget,
  request: ConnectRequest,
  { handshake, onLost }: { handshake: Handshake; onLost: () => void },
): Connection {
  const link = modernLink(target, request, onLost)
  const closing = new AbortController()
  const notifications = request.caller === undefined ? announced(handshake) : undefined
  if (notifications !== undefined) {
    const credential = () => request.credential.headers()
    const once = (hearing: Hearing) => listenModernly(link, closing.signal, { hearing, notifications, credential })
    void listenInBackground(once, { target, request, signal: closing.signal })
  }
  const connection = link.connection(handshake, () => closing.abort())
  return tellsOfResources(handshake) ? withSubscriptions(connection, link, { target, request, closing }) : connection
}

/** What the former era subscribes to with requests. */
function withSubscriptions(
  connection: Connection,
  link: ModernLink,
  { target, request, closing }: { target: HttpTarget; request: ConnectRequest; closing: AbortController },
): Connection {
  const { clock, log } = target
  const credential = () => request.credential.headers()
  const options = { link, server: request.server.name, clock, log, credential, closing: closing.signal }
  const subscriptions = new ResourceSubscriptions(options)
  return {
    ...connection,
    get open() {
      return link.open
    },
    request: (asked) =>
      asked.method === 'resources/subscribe' || asked.method === 'resources/unsubscribe'
        ? subscriptions.request(asked)
        : connection.request(asked),
  }
}

function tellsOfResources({ capabilities }: Handshake): boolean {
  const { resources } = capabilities
  return isJsonObject(resources) && resources['subscribe'] === true
}

/** Who listens: the connection that catalogs are made over, and one whose caller the server may ask back. */
function wantsToListen({ caller, clientCapabilities }: ConnectRequest, handshake: Handshake): boolean {
  return Object.keys(clientCapabilities).length > 0 || (caller === undefined && announced(handshake) !== undefined)
}

async function listenInBackground(
  once: ListenOnce,
  { target, request, signal }: { target: HttpTarget; request: ConnectRequest; signal: AbortSignal },
): Promise<void> {
  const { listening, clock, log } = target
  if (listening.count >= maxListeningStreams) return
  listening.count += 1
  await listen(once, signal, { server: request.server.name, clock, log })
  listening.count -= 1
}
