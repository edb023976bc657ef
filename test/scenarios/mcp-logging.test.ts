import { EventEmitter, on } from 'node:events'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { LoggingMessageNotificationSchema } from '@modelcontextprotocol/sdk/types.js'
import { type RawMcpServer, resultFor, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { afterAll, beforeAll, describe, expect, vi } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'

/** A busy machine takes its time. */
const patience = { timeout: 10_000 }

let gateway: Booted
let logging: Awaited<ReturnType<typeof startLogging>>
beforeAll(async () => {
  logging = await startLogging()
  gateway = await boot({ config: { mcp_servers: { logging: { url: logging.server.url } } } })
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await logging.server[Symbol.asyncDispose]()
})

/** Opens another session for each handshake, and speaks on the stream of a session when it is told to. */
async function startLogging() {
  const streams = new EventEmitter()
  const listening = new Set<string>()
  let sessions = 0
  let levelTaken: Promise<void> = Promise.resolve()
  const server: RawMcpServer = await startRawMcpServer(async (request) => {
    const { method } = request.message
    const session = String(request.headers['mcp-session-id'])
    if (request.method === 'GET') return { events: saidTo(session) }
    if (method === 'logging/setLevel') {
      await levelTaken
      return { body: resultFor(request, {}) }
    }
    if (method !== 'initialize') return undefined
    sessions += 1
    const capabilities = { tools: { listChanged: true }, logging: {} }
    const handshake = { protocolVersion: '2025-11-25', capabilities, serverInfo: { name: 'logging', version: '1' } }
    return { headers: { 'mcp-session-id': `logging-${sessions}` }, body: resultFor(request, handshake) }
  })
  async function* saidTo(session: string): AsyncGenerator<object> {
    const said = on(streams, session)
    listening.add(session)
    for await (const [message] of said) yield message
  }
  return {
    server,
    /** Levels are taken from `until` on. */
    holdLevels(until: Promise<void>) {
      levelTaken = until
    },
    /** On the stream of that session, outside any call. */
    async say(session: string, method: string, params: object) {
      await vi.waitFor(() => expect(listening).toContain(session), patience)
      streams.emit(session, { jsonrpc: '2.0', method, params })
    },
    /** The session at this server in which the latest call was made. */
    latest: () => String(server.received('tools/call').at(-1)?.headers['mcp-session-id']),
  }
}

async function connect(key = gateway.masterKey) {
  const transport = new StreamableHTTPClientTransport(new URL('http://gateway.test/mcp'), {
    fetch: gateway.fetch,
    requestInit: { headers: { 'x-litellm-api-key': key } },
  })
  const client = new Client({ name: 'listener', version: '1' }, { capabilities: { roots: {} } })
  const heard: unknown[] = []
  client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => void heard.push(params.data))
  await client.connect(transport)
  return { client, heard, [Symbol.asyncDispose]: () => client.close() }
}

const log = (session: string, level: string, data: string) =>
  logging.say(session, 'notifications/message', { level, data })

describe('what a server says outside a call, where it keeps a session for one client alone', () => {
  verifies('mcp:logging', 'is heard by that client, all of it, from the level it wants', async () => {
    await using ann = await connect()
    await using bob = await connect()
    await ann.client.setLoggingLevel('warning')
    await ann.client.callTool({ name: 'logging-echo', arguments: {} })
    const session = logging.latest()
    await bob.client.callTool({ name: 'logging-echo', arguments: {} })
    // The call has been answered: nothing is under way there.
    await log(session, 'info', 'too little')
    for (const data of ['first', 'second', 'third']) await log(session, 'error', data)
    await vi.waitFor(() => expect(ann.heard).toEqual(['first', 'second', 'third']), patience)
    await log(logging.latest(), 'debug', 'for Bob')
    await vi.waitFor(() => expect(bob.heard).toEqual(['for Bob']), patience)
    expect(ann.heard).toEqual(['first', 'second', 'third'])
  })

  verifies('mcp:logging', 'is heard also while the gateway asks that server something on its own account', async () => {
    await using ann = await connect()
    await ann.client.callTool({ name: 'logging-echo', arguments: {} })
    const { promise, resolve } = Promise.withResolvers<void>()
    logging.holdLevels(promise)
    const before = logging.server.received('logging/setLevel').length
    await ann.client.setLoggingLevel('info')
    await vi.waitFor(() => expect(logging.server.received('logging/setLevel')).toHaveLength(before + 1), patience)
    await log(logging.latest(), 'info', 'meanwhile')
    await vi.waitFor(() => expect(ann.heard).toEqual(['meanwhile']), patience)
    resolve()
  })
})
