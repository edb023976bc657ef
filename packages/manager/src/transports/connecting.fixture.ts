import {
  createOutbound,
  type JsonObject,
  type Logger,
  type Peer,
  silentLogger,
  silentPeer,
  systemClock,
} from '@toolgate/core'
import { vi } from 'vitest'
import { credentialOf, serverOf } from '../fake-world.fixture.ts'
import type { Connection, UpstreamRequest } from '../upstream/connection.ts'
import { transports } from './index.ts'
import { createChildProcesses } from './stdio/child-processes.ts'
import type { ConnectRequest, TransportOptions, UpstreamTransport } from './transport.ts'

/** Connections through the transports' front door, as the pool makes them. */

export const quickTimeouts = {
  connectMs: 5_000,
  handshakeMs: 5_000,
  listMs: 5_000,
  callMs: 5_000,
  callTotalMs: 10_000,
}

export const clientInfo = { name: 'gateway-of-tests', version: '7.8.9' }

/** A transport by its name and settings, as the registry binds it. */
export function transportOf(
  type: string,
  settings: object,
  options: Partial<TransportOptions> = {},
): UpstreamTransport & AsyncDisposable {
  const bound = transports.get(type)?.bind(settings)
  if (bound?.ok !== true) throw new TypeError(`not settings of ${type}: ${JSON.stringify(bound?.issues)}`)
  const outbound = options.outbound ?? createOutbound({ connectTimeoutMs: 300 })
  const transport = bound.create({
    clock: systemClock,
    log: silentLogger,
    clientInfo,
    children: createChildProcesses({ log: options.log ?? silentLogger }),
    ...options,
    outbound,
    guardedOutbound: options.guardedOutbound ?? outbound,
  })
  return { ...transport, [Symbol.asyncDispose]: () => outbound.close() }
}

export function connectRequestOf(overrides: Partial<ConnectRequest> = {}): ConnectRequest {
  return {
    server: serverOf({ id: 'github', timeouts: quickTimeouts }),
    credential: credentialOf(),
    caller: undefined,
    era: 'legacy',
    clientCapabilities: {},
    exclusive: false,
    signal: new AbortController().signal,
    onUnsolicited: () => {},
    ...overrides,
  }
}

/** A call of a tool, with the default bounds and nobody to reach back to. */
export function callOf(name: string, overrides: Partial<UpstreamRequest> = {}): UpstreamRequest {
  return {
    method: 'tools/call',
    params: { name, arguments: {} },
    headers: new Map(),
    signal: new AbortController().signal,
    idleTimeoutMs: quickTimeouts.callMs,
    totalTimeoutMs: quickTimeouts.callTotalMs,
    peer: silentPeer,
    ...overrides,
  }
}

/** A client that answers everything the same way and remembers what it was told and asked. */
export function peerAnswering(answer: JsonObject, capabilities: JsonObject = {}) {
  return {
    capabilities,
    notify: vi.fn<Peer['notify']>(),
    request: vi.fn<Peer['request']>(() => Promise.resolve(answer)),
  }
}

/** A connection that is closed at the end of its block. */
export async function connected(
  transport: UpstreamTransport,
  overrides: Partial<ConnectRequest> = {},
): Promise<Connection & AsyncDisposable> {
  const connection = await transport.connect(connectRequestOf(overrides))
  return Object.assign(connection, { [Symbol.asyncDispose]: () => connection.close() })
}

/** A logger that keeps what it is told, as text. */
export function recordingLogger(): Logger & { readonly lines: readonly string[] } {
  const lines: string[] = []
  const write = (fields: object, message: string) => void lines.push(`${message} ${JSON.stringify(fields)}`)
  return { lines, debug: write, info: write, warn: write, error: write }
}
