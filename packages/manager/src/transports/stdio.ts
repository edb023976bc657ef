import { dirname, delimiter } from 'node:path'
import { getDefaultEnvironment, StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { definePlug, Secret } from '@toolgate/core'
import { z } from 'zod'
import type { Connection } from '../upstream/connection.ts'
import { codeOf, type FailurePlace, unreachable } from '../upstream/failure.ts'
import { shakeHands } from '../upstream/handshake.ts'
import { MessageConnection } from '../upstream/message-connection.ts'
import { withinStage } from '../upstream/within-stage.ts'
import { listenTo, type MessageTransport } from './message-transport.ts'
import { keepTail, type Tail } from './stderr-tail.ts'
import type { ConnectRequest, TransportOptions, UpstreamTransport } from './transport.ts'

/** Milliseconds that the first start of a command may take: `npx` and `uvx` download what they run. */
const stdioFirstStartMs = 60_000

/** Bytes of one message; the child is closed beyond it. */
const maxMessageBytes = 64 * 1024 * 1024

const schema = z.strictObject({
  command: z.string().min(1),
  args: z.array(z.string()).default([]),
  env: z
    .record(
      z.string(),
      z.string().transform((value) => new Secret(value)),
    )
    .default({}),
  cwd: z.string().min(1).optional(),
})

type StdioSettings = z.output<typeof schema>

/** A child process that speaks MCP over its pipes. No shell, a clean environment, one process per connection. */
export const stdio = definePlug({
  type: 'stdio',
  schema,
  create(settings, options: TransportOptions): UpstreamTransport {
    const history = { started: false }
    return {
      type: 'stdio',
      address: settings.command,
      sharing: 'always',
      sendsHeaders: false,
      connect: (request) => connect({ settings, history, ...options }, request),
    }
  },
})

interface StdioTarget extends TransportOptions {
  readonly settings: StdioSettings
  /** Whether this command has ever come up: what follows is no first start. */
  readonly history: { started: boolean }
}

async function connect(target: StdioTarget, request: ConnectRequest): Promise<Connection> {
  const { clock, log, clientInfo, history } = target
  const { server, clientCapabilities, exclusive, onUnsolicited } = request
  const { handshakeMs } = server.timeouts
  const ms = history.started ? handshakeMs : Math.max(handshakeMs, stdioFirstStartMs)
  const { transport, stderr } = spawn(target.settings)
  const connection = new MessageConnection({
    server: server.name,
    wire: { send: (message) => transport.send(message), close: () => transport.close() },
    clock,
    log,
    declared: clientCapabilities,
    exclusive,
    onUnsolicited,
    secrets: Object.values(target.settings.env),
  })
  listenTo(transport, {
    onmessage: (message) => connection.receive(message),
    onerror: (error) => log.debug({ server: server.name, err: error }, 'stdio server sent something unreadable'),
    onclose() {
      log.debug({ server: server.name, stderr: stderr.text() }, 'stdio server ended')
      connection.lost({ why: 'has exited', internal: stderr.text() })
    },
  })
  try {
    await start(transport, { server: server.name, stage: 'connect' }, { clock, ms, signal: request.signal })
    const handshake = await shakeHands(connection, { request, clock, clientInfo, ms })
    history.started = true
    return connection.initialised(handshake)
  } catch (error) {
    void connection.close()
    throw error
  }
}

async function start(
  transport: MessageTransport,
  place: FailurePlace,
  bound: Pick<TransportOptions, 'clock'> & { ms: number; signal: AbortSignal },
): Promise<void> {
  try {
    await withinStage({ ...bound, place }, () => transport.start())
  } catch (error) {
    const code = codeOf(error)
    if (code === undefined) throw error
    // Node says ENOENT for a missing working directory as well.
    const why = code === 'ENOENT' ? 'cannot be started: command not found' : 'cannot be started'
    throw unreachable(place, { why, cause: error })
  }
}

function spawn({ command, args, env, cwd }: StdioSettings): { transport: MessageTransport; stderr: Tail } {
  const secrets = Object.values(env)
  const transport = new StdioClientTransport({
    command,
    args,
    env: childEnvironment(env),
    ...(cwd !== undefined && { cwd }),
    stderr: 'pipe',
    maxBufferSize: maxMessageBytes,
  })
  return { transport, stderr: keepTail(transport.stderr, secrets) }
}

/** The few variables a program needs, what is configured, and our own Node first: `node` and `npx` are then the gateway's. */
function childEnvironment(configured: StdioSettings['env']): Record<string, string> {
  const environment = getDefaultEnvironment()
  for (const [name, value] of Object.entries(configured)) environment[name] = value.reveal()
  const path = environment['PATH']
  const own = dirname(process.execPath)
  return { ...environment, PATH: path === undefined ? own : `${own}${delimiter}${path}` }
}
