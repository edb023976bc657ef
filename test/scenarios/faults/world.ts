import { isJsonObject, type JsonObject } from '@toolgate/core'
import { completion, type LlmServer, startLlmServer, toolCall } from '@toolgate/testing/llm-server'
import { resultFor, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { expect, vi } from 'vitest'
import { boot, type Booted, recordingLog } from '../../boot.ts'
import { messagesIn, offeredIn } from '../chat-world.ts'
import { type HurriedClock, hurriedClock } from './hurried-clock.ts'
import { expectNoMoreThan, openHandles } from './open-handles.ts'
import type { Verdict } from './verdicts.ts'

/** One line of the table. */
export interface FaultRow<Fakes> {
  readonly name: string
  /** One server for every door, where its fault outlives no request. */
  readonly oneForAll?: boolean
  /** What a call comes to. */
  readonly call: Verdict
  /** What a list and the health of this server come to. */
  readonly list: Verdict
  /** The server's entry in the file; `token` is its credential, which nobody else may ever see. */
  readonly host: (fakes: Fakes, server: string, token: string) => object
}

/** What the fakes behind a table tell about what is open there. */
export interface FaultFakes extends AsyncDisposable {
  /** Requests of the gateway to this server that are not over. */
  openExchanges(server: string): number
  readonly sockets: number
}

/** Each has a server of its own in each row: what one door does to a server must not change what another one sees. */
export const doors = ['rest', 'seed', 'chat', 'stream', 'look'] as const
export type DoorName = (typeof doors)[number]

export interface FaultWorld extends AsyncDisposable {
  readonly gateway: Booted
  readonly llm: LlmServer
  readonly clock: HurriedClock
  readonly log: { readonly lines: readonly string[] }
  /** An answer, searched for credentials like everything that is said. */
  ask(path: string, body?: object): Promise<Answered>
  /** The same, as it came. */
  askText(path: string, body?: object): Promise<{ readonly status: number; readonly text: string }>
  /** A call of the healthy server beside all those faults; answers its milliseconds. */
  askHealthy(): Promise<number>
  /** What left the gateway with a credential in it: answers, lines of the log, what the model was told. */
  leaks(): readonly string[]
  /** Closes the gateway, then counts what it left: nothing open, and no credential told to anybody. */
  expectNothingLeft(): Promise<void>
}

export interface Answered {
  readonly status: number
  readonly body: JsonObject
}

export interface WorldOptions<Fakes> {
  readonly rows: readonly FaultRow<Fakes>[]
  readonly start: () => Promise<Fakes>
}

/** How much sooner than configured every bound passes. */
const hurry = 10

/** The `timeout` of a faulty server, in seconds of its configuration. */
export const callTimeout = 15

/** Stands in every credential of the table. */
const secretMark = 'canary'
const masterKeyMark = 'sk-master-key'

export function serverOf(row: Pick<FaultRow<never>, 'name' | 'oneForAll'>, door: DoorName): string {
  return `${row.name.replaceAll(/[^a-z0-9]+/gi, '_')}_${row.oneForAll === true ? 'all' : door}`
}

/** One gateway with a healthy server and, behind the same gateway, the servers of every row. */
export async function startFaultWorld<Fakes extends FaultFakes>({ rows, start }: WorldOptions<Fakes>) {
  const stack = new AsyncDisposableStack()
  const before = openHandles()
  const clock = hurriedClock(hurry)
  const log = recordingLog()
  const leaks = leakDetector()
  const fakes = stack.use(await start())
  const llm = stack.use(await startLlmServer([({ body }) => ({ json: scripted(body) })]))
  const healthy = stack.use(
    await startRawMcpServer((request) =>
      request.message['method'] === 'initialize' ? { body: resultFor(request, handshake) } : undefined,
    ),
  )
  const servers = rows.flatMap((row) => {
    const names = new Set(doors.map((door) => serverOf(row, door)))
    return [...names].map((name) => [name, row.host(fakes, name, tokenOf(name))] as const)
  })
  const gateway = stack.use(
    await boot({
      clock,
      log,
      env: { LITELLM_MCP_TOOL_LISTING_TIMEOUT: '25' },
      config: {
        mcp_servers: { healthy: { url: healthy.url }, ...Object.fromEntries(servers) },
        model_list: [
          {
            model_name: 'gpt',
            litellm_params: {
              model: 'openai/fake',
              api_base: `${llm.origin}/v1`,
              api_key: `${secretMark}-of-the-model`,
            },
          },
        ],
      },
    }),
  )

  const askText: FaultWorld['askText'] = async (path, body) => {
    const response = await gateway.request(path, body && { body })
    const text = await response.text()
    leaks.search(`${JSON.stringify([...response.headers])} ${text}`)
    return { status: response.status, text }
  }
  const ask: FaultWorld['ask'] = async (path, body) => {
    const { status, text } = await askText(path, body)
    const parsed: unknown = JSON.parse(text)
    return { status, body: isJsonObject(parsed) ? parsed : { list: JSON.parse(text) } }
  }

  const searched = { lines: 0, requests: 0 }
  const world: FaultWorld & { readonly fakes: Fakes } = {
    gateway,
    llm,
    clock,
    log,
    fakes,
    ask,
    askText,
    askHealthy: () =>
      clock.measure(async () => {
        const answered = await ask('/mcp-rest/tools/call', { server_id: 'healthy', name: 'echo', arguments: { a: 1 } })
        expect(answered).toMatchObject({ status: 200, body: { content: [{ text: '{"a":1}' }] } })
      }),
    leaks() {
      for (const line of log.lines.slice(searched.lines)) leaks.search(line)
      for (const { body } of llm.requests.slice(searched.requests)) leaks.search(JSON.stringify(body))
      searched.lines = log.lines.length
      searched.requests = llm.requests.length
      return leaks.found
    },
    async expectNothingLeft() {
      await gateway[Symbol.asyncDispose]()
      await vi.waitFor(() => expect(fakes.sockets).toBe(0), { timeout: 5_000, interval: 20 })
      expect(clock.pending).toBe(0)
      expect(world.leaks()).toEqual([])
      await stack.disposeAsync()
      await expectNoMoreThan(before)
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
  await firstListsAreIn(world)
  return world
}

/** The credential of a faulty server. Its end is marked: the name of one may begin with that of another. */
export function tokenOf(server: string): string {
  return `${secretMark}-token-of-${server}!`
}

function leakDetector() {
  const found: string[] = []
  return {
    found,
    search(text: string) {
      const at = [secretMark, masterKeyMark].map((mark) => text.indexOf(mark)).find((index) => index >= 0)
      if (at !== undefined) found.push(text.slice(Math.max(0, at - 200), at + 100))
    },
  }
}

/** Of a server without sessions: it opens no listening stream. */
const handshake = {
  protocolVersion: '2025-11-25',
  capabilities: { tools: {} },
  serverInfo: { name: 'healthy', version: '1' },
}

/** Each server was asked for its list once. What a door shows is then the server's doing, not the gateway's haste. */
async function firstListsAreIn({ ask }: Pick<FaultWorld, 'ask'>): Promise<void> {
  await vi.waitFor(
    async () => {
      const { body } = await ask('/v1/mcp/server')
      expect(JSON.stringify(body)).not.toContain('"status":"unknown"')
    },
    { timeout: 30_000, interval: 100 },
  )
}

/** Calls the only tool whose server the user named; then answers. */
function scripted(body: JsonObject): JsonObject {
  const messages = messagesIn(body)
  if (messages.some(({ role }) => role === 'tool')) return completion({ content: 'done' })
  const server = messages.at(-1)?.['content']
  const name = offeredIn(body).find((offered) => typeof server === 'string' && offered === `${server}-echo`)
  return completion(
    name === undefined
      ? { content: 'nothing to call' }
      : { tool_calls: [toolCall(name, { say: 'hello from the table' })] },
  )
}
