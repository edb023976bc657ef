import { AsyncLocalStorage } from 'node:async_hooks'
import { SSEClientTransport, SseError } from '@modelcontextprotocol/client'
import { definePlug, startDeadline, type UpstreamStage } from '@toolgate/core'
import { z } from 'zod'
import type { Connection } from '../upstream/connection.ts'
import { outboundFailed, unreachable } from '../upstream/failure.ts'
import { shakeHands } from '../upstream/handshake.ts'
import { MessageConnection, type MessageWire } from '../upstream/message-connection.ts'
import { withinStage } from '../upstream/within-stage.ts'
import { addressSecrets, withoutCredentials } from './address.ts'
import { sideRequestTimeoutMs } from './http/http-link.ts'
import { listenTo, type MessageTransport, type TransportListeners } from './message-transport.ts'
import { type RefusingFetch, refusingFetch, type Sending } from './sse-fetch.ts'
import type { ConnectRequest, TransportOptions, UpstreamTransport } from './transport.ts'

const schema = z.strictObject({ url: z.url({ protocol: /^https?$/ }) })

/** Legacy HTTP+SSE (spec 2024-11-05, Transports): one stream down for everything, one POST up per message. */
export const sse = definePlug({
  type: 'sse',
  schema,
  create({ url }, options: TransportOptions): UpstreamTransport {
    return {
      type: 'sse',
      address: withoutCredentials(url),
      sharing: 'unless-sessionful',
      sendsHeaders: true,
      connect: (request) => connectSse(new URL(url), options, request),
    }
  },
})

/** Rejects with a `GatewayError` naming the stage, and leaves nothing open. */
export async function connectSse(url: URL, options: TransportOptions, request: ConnectRequest): Promise<Connection> {
  const { clock, log, clientInfo } = options
  const { server, credential, clientCapabilities, exclusive, onUnsolicited } = request
  // The SDK's `send` takes a message and nothing else; what belongs to it travels beside it.
  const sending = new AsyncLocalStorage<Sending>()
  let stage: UpstreamStage = 'connect'
  const secrets = addressSecrets(url)
  const outbound = refusingFetch(options.outbound, {
    place: () => ({ server: server.name, stage }),
    sending: () => sending.getStore() ?? { headers: credential.headers() },
    secrets,
  })
  const transport = new SSEClientTransport(url, { fetch: outbound.fetch })
  const carrier: MessageTransport = transport
  const send: MessageWire['send'] = async (message, headers = credential.headers(), sender) => {
    if (sender !== undefined) return sending.run({ headers, signal: sender.signal }, () => carrier.send(message))
    using deadline = startDeadline(clock, sideRequestTimeoutMs)
    await sending.run({ headers, signal: deadline.signal }, () => carrier.send(message))
  }
  const connection = new MessageConnection({
    server: server.name,
    wire: { send, close: () => transport.close() },
    clock,
    log,
    declared: clientCapabilities,
    exclusive,
    onUnsolicited,
    secrets,
  })
  listenTo(transport, listenersFor(transport, connection))
  try {
    await open(transport, outbound, { options, request })
    stage = 'handshake'
    const handshake = await shakeHands(
      {
        request: (initialize) => connection.request(initialize),
        notify: (...sent) => connection.notify(...sent),
        speak: (version) => transport.setProtocolVersion(version),
      },
      { request, clock, clientInfo, ms: server.timeouts.handshakeMs },
    )
    stage = 'call'
    return connection.initialised(handshake)
  } catch (error) {
    void connection.close()
    throw error
  }
}

function listenersFor(transport: MessageTransport, connection: MessageConnection): TransportListeners {
  return {
    onmessage: (message) => void connection.receive(message),
    onclose: () => connection.lost((place) => unreachable(place, { why: 'was disconnected' })),
    onerror(error) {
      // Failures of a POST reject its `send`. A stream that ended took the session with it: the one that a reconnect would
      // open is another, and not initialised.
      if (!(error instanceof SseError)) return
      connection.lost((place) => unreachable(place, { why: 'ended its event stream' }))
      void transport.close()
    },
  }
}

async function open(
  transport: SSEClientTransport,
  { refusal }: RefusingFetch,
  { options: { clock }, request: { server, signal } }: { options: TransportOptions; request: ConnectRequest },
): Promise<void> {
  const place = { server: server.name, stage: 'connect' } as const
  try {
    await withinStage({ clock, ms: server.timeouts.connectMs, place, signal }, () => transport.start())
  } catch (error) {
    throw outboundFailed(place, refusal() ?? error)
  }
}
