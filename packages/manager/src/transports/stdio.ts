import { dirname, delimiter } from 'node:path'
import { getDefaultEnvironment } from '@modelcontextprotocol/client/stdio'
import { definePlug, fillTemplate, GatewayError, Secret } from '@toolgate/core'
import { z } from 'zod'
import type { Connection } from '../upstream/connection.ts'
import { busy, codeOf, type FailurePlace, unreachable } from '../upstream/failure.ts'
import { shakeHands } from '../upstream/handshake.ts'
import { MessageConnection } from '../upstream/message-connection.ts'
import { askable } from '../upstream/isolation.ts'
import { withinStage } from '../upstream/within-stage.ts'
import { discoverServer } from './discover.ts'
import type { ChildPlace } from './stdio/child-processes.ts'
import { childSecrets } from './stdio/child-secrets.ts'
import { createHistory, describeExit, type History } from './stdio/history.ts'
import { modernConnection, modernRequests } from './stdio/modern-connection.ts'
import { Pipes } from './stdio/pipes.ts'
import type { ConnectRequest, TransportOptions, UpstreamTransport } from './transport.ts'

/** Milliseconds that the first start of a command may take: `npx` and `uvx` download what they run. */
const stdioFirstStartMs = 60_000

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

/**
 * A child process that speaks MCP over its pipes (spec 2025-11-25, Transports, stdio). No shell, a clean environment, one
 * process per connection. A command that keeps failing is not started at every request: those fail at once instead.
 */
export const stdio = definePlug({
  type: 'stdio',
  schema,
  create(settings, options: TransportOptions): UpstreamTransport {
    const history = createHistory(options.clock)
    const era: KnownEra = { modern: false }
    return {
      type: 'stdio',
      address: settings.command,
      sharing: 'always',
      sendsHeaders: false,
      connect: (request) => connect({ settings, history, era, ...options }, request),
      eraFor: () => (era.modern ? 'modern' : 'legacy'),
      diagnostics: () => ({ ...history.diagnostics(), ...(era.modern && { era: 'modern' }) }),
    }
  },
})

/** What the command turned out to speak: a process has one era. */
interface KnownEra {
  modern: boolean
}

interface StdioTarget extends TransportOptions {
  readonly settings: StdioSettings
  readonly era: KnownEra
  readonly history: History
}

async function connect(target: StdioTarget, request: ConnectRequest): Promise<Connection> {
  const { clock, log, history } = target
  const settings = filledIn(target.settings, request)
  const { server, clientCapabilities, exclusive, onUnsolicited, signal } = request
  const { handshakeMs } = server.timeouts
  const ms = history.isFirstStart ? Math.max(handshakeMs, stdioFirstStartMs) : handshakeMs
  const place: FailurePlace = { server: server.name, stage: 'connect' }
  const secrets = childSecrets(settings, server.origin)
  const life = history.begin()
  const pipes = new Pipes({ server: server.name, clock, log, secrets, life })
  const connection = new MessageConnection({
    server: server.name,
    wire: { send: (message) => pipes.send(message), close: () => pipes.close() },
    clock,
    log,
    declared: clientCapabilities,
    exclusive,
    onUnsolicited,
    secrets,
  })
  try {
    await withinStage({ clock, ms, place, signal }, () =>
      start(pipes, { target: { ...target, settings }, place, connection }),
    )
    const met = await meet(connection, { target, request, ms })
    life.cameUp()
    return met
  } catch (error) {
    // A caller that left says nothing about the command.
    if (!signal.aborted) life.failed()
    void connection.close()
    throw startFailure(place, error)
  }
}

/** By the handshake; a server that refuses it is asked whether it is of the era without one. */
async function meet(
  connection: MessageConnection,
  { target, request, ms }: { target: StdioTarget; request: ConnectRequest; ms: number },
): Promise<Connection> {
  const { clock, clientInfo, era, log } = target
  const declared = request.caller === undefined ? askable(request.server) : request.clientCapabilities
  const messages = { clientInfo, declared, log }
  const discover = () => discoverServer(modernRequests(connection, messages), request)
  const known = era.modern ? await discover() : undefined
  if (known !== undefined) return modernConnection(connection, known, messages)
  try {
    const handshake = await shakeHands(connection, { request, clock, clientInfo, ms })
    era.modern = false
    return connection.initialised(handshake)
  } catch (refusal) {
    if (!(refusal instanceof GatewayError) || refusal.code !== 'UPSTREAM_ERROR') throw refusal
    const handshake = await discover()
    if (handshake === undefined) throw refusal
    era.modern = true
    return modernConnection(connection, handshake, messages)
  }
}

/** A place among the gateway's children. Rejects at once where none is free, or while the command has to wait. */
function admit({ history, children, log }: StdioTarget, place: FailurePlace): ChildPlace {
  const { delayMs, lastExit } = history
  if (delayMs > 0) {
    const seconds = Math.ceil(delayMs / 1000)
    const what = lastExit === undefined ? 'did not start' : describeExit(lastExit).why
    throw unreachable(place, {
      why: `${what} and is started again in ${seconds} s at the earliest`,
      facts: { restart: 'delayed', retry_after_seconds: seconds },
    })
  }
  const admitted = children.admit()
  if (admitted !== undefined) return admitted
  log.warn({ server: place.server, children: children.size }, 'no room for another child process')
  throw busy(place, `this gateway runs ${children.size} child processes already`)
}

async function start(
  pipes: Pipes,
  { target, place, connection }: { target: StdioTarget; place: FailurePlace; connection: MessageConnection },
): Promise<void> {
  const { command, args, env, cwd } = target.settings
  const admitted = admit(target, place)
  await pipes.open({ command, args, cwd, env: childEnvironment(env) }, { place: admitted, connection })
}

/** The credential is this caller's own where there is anything to fill in, and so is the process. */
function filledIn(settings: StdioSettings, { caller, credential }: ConnectRequest): StdioSettings {
  const valueOf = (header: string) => caller?.forwarded.headers.get(header)?.reveal()
  const variables = credential.variables?.()
  const variableOf = (name: string) => variables?.get(name)?.reveal()
  const env = Object.entries(settings.env).map(([name, value]): [string, Secret] => {
    const text = value.reveal()
    return [name, text.includes('${') ? new Secret(fillTemplate(text, valueOf, variableOf).text) : value]
  })
  return { ...settings, env: Object.fromEntries(env) }
}

function startFailure(place: FailurePlace, error: unknown): unknown {
  const code = codeOf(error)
  if (code === undefined || error instanceof GatewayError) return error
  // Node says ENOENT for a missing working directory as well.
  const why = code === 'ENOENT' ? 'cannot be started: command not found' : 'cannot be started'
  return unreachable(place, { why, cause: error })
}

/** The few variables a program needs, what is configured, and our own Node first: `node` and `npx` are then the gateway's. */
function childEnvironment(configured: StdioSettings['env']): Record<string, string> {
  const environment = getDefaultEnvironment()
  for (const [name, value] of Object.entries(configured)) environment[name] = value.reveal()
  const path = environment['PATH']
  const own = dirname(process.execPath)
  return { ...environment, PATH: path === undefined ? own : `${own}${delimiter}${path}` }
}
