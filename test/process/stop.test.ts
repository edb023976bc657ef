import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { calls, openDatabase } from '@toolgate/db'
import { type RawMcpServer, type RawRequest, resultFor, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { afterAll, beforeAll, describe, expect, vi } from 'vitest'
import { verifies } from '../verifies.ts'
import { createPlace, everythingWithPidFile, isAlive, logLines, type Place } from './gateway-process.ts'

interface HeldUpstream extends AsyncDisposable {
  readonly server: RawMcpServer
  readonly origin: string
  release(): void
}

/** An MCP server whose calls, and a provider whose streams, go on only after `release`. */
async function startHeldUpstream(): Promise<HeldUpstream> {
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  const piece = (content: string) =>
    `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content } }] })}\n\n`
  async function* stream() {
    yield piece('first')
    await released
    yield piece('last')
    yield 'data: [DONE]\n\n'
  }
  const server = await startRawMcpServer(async (asked: RawRequest) => {
    if (asked.path.endsWith('/chat/completions')) return { events: stream() }
    if (asked.message['method'] !== 'tools/call') return undefined
    await released
    return { body: resultFor(asked, { content: [{ type: 'text', text: 'late' }] }) }
  })
  return {
    server,
    origin: new URL(server.url).origin,
    release,
    async [Symbol.asyncDispose]() {
      release()
      await server[Symbol.asyncDispose]()
    },
  }
}

const model = { model_name: 'held', litellm_params: { model: 'openai/held', api_key: 'none' } }

function configOf(place: Place, { server, origin }: HeldUpstream): string {
  return place.write('config.yaml', {
    general_settings: { master_key: 'sk-of-this-test' },
    model_list: [{ ...model, litellm_params: { ...model.litellm_params, api_base: `${origin}/v1` } }],
    mcp_servers: {
      held: { url: server.url },
      everything: everythingWithPidFile(join(place.folder, 'child.pid')),
    },
  })
}

const headers = { authorization: 'Bearer sk-of-this-test', 'content-type': 'application/json' }
const heldCall = { server_id: 'held', name: 'echo', arguments: {} }
const keepAlive = () => new Agent({ keepAlive: true, maxSockets: 1 })

function post(url: string, body: object): Promise<Response> {
  return fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })
}

const draining = (address: string) =>
  vi.waitFor(async () => {
    const answer = await fetch(`${address}/health/readiness`)
    expect(answer.status).toBe(503)
    expect(await answer.json()).toMatchObject({ status: 'draining' })
  })

/** One folder for all: each test starts on what the one before left behind. */
describe('a signal', () => {
  let place: Place
  beforeAll(() => {
    place = createPlace()
  })
  afterAll(() => place[Symbol.dispose]())

  const childOf = () => Number(readFileSync(join(place.folder, 'child.pid'), 'utf8'))
  const callsOf = ({ server }: HeldUpstream) => server.received('tools/call').length

  verifies('stop:drains', 'while the gateway starts ends it in order', async () => {
    const lock = join(place.dataDirectory, 'database/toolgate.lock')
    await using gateway = place.startGateway()
    await vi.waitFor(() => expect(existsSync(lock)).toBe(true), { timeout: 10_000, interval: 5 })
    gateway.signal('SIGTERM')
    expect(gateway.stdout).toBe('')
    expect(await gateway.ended).toMatchObject({ code: 0, stderr: '' })
    expect(existsSync(lock)).toBe(false)
  })

  verifies('stop:drains', 'to a gateway at work turns readiness and lets a call and a stream finish', async () => {
    await using upstream = await startHeldUpstream()
    await using gateway = place.startGateway({ config: configOf(place, upstream) })
    const address = await gateway.listening()
    const child = childOf()
    expect(isAlive(child)).toBe(true)
    const [busy, idle] = [keepAlive(), keepAlive()]
    await once(request(`${address}/health/liveness`, { agent: idle }).end(), 'response')

    const call = request(`${address}/mcp-rest/tools/call`, { method: 'POST', agent: busy, headers })
    const answered = once(call.end(JSON.stringify(heldCall)), 'response')
    const stream = await post(`${address}/v1/chat/completions`, { model: 'held', stream: true, messages: [] })
    await vi.waitFor(() => expect(callsOf(upstream)).toBe(1))

    gateway.signal('SIGTERM')
    await draining(address)
    const refused = await post(`${address}/mcp-rest/tools/call`, heldCall)
    expect(refused.status).toBe(503)
    expect(refused.headers.get('retry-after')).toBe('1')
    expect(await refused.json()).toMatchObject({ detail: { message: 'The gateway is shutting down.' } })
    expect(callsOf(upstream)).toBe(1)

    upstream.release()
    const [answer] = await answered
    expect(answer).toMatchObject({ statusCode: 200, headers: { connection: 'close' } })
    expect(await json(answer)).toMatchObject({ content: [{ text: 'late' }] })
    expect(await stream.text()).toMatch(/"first"[\s\S]*"last"[\s\S]*data: \[DONE\]/)

    // Neither the connection that a client keeps open nor the child that would run on holds up the end.
    expect(await gateway.ended).toMatchObject({ code: 0, stderr: '' })
    expect(logLines(gateway.stdout).at(-1)).toMatchObject({ msg: 'stopped' })
    expect(isAlive(child)).toBe(false)
    await expect(fetch(`${address}/health/readiness`)).rejects.toThrow('fetch failed')
    idle.destroy()
    busy.destroy()
  })

  verifies('stop:drains', 'leaves the ledger written, also the rows of the last moment', async () => {
    const database = await openDatabase({ dataDir: join(place.dataDirectory, 'database') })
    try {
      const rows = await database.db.select({ kind: calls.kind, outcome: calls.outcome }).from(calls)
      expect(rows).toHaveLength(2)
      expect(rows).toContainEqual({ kind: 'tool_call', outcome: 'ok' })
      expect(rows).toContainEqual({ kind: 'generation', outcome: 'ok' })
    } finally {
      await database.close()
    }
  })

  verifies(
    'stop:drains',
    'of a second time ends the process at once, its upstream too, and not as success',
    async () => {
      await using upstream = await startHeldUpstream()
      await using gateway = place.startGateway({ config: configOf(place, upstream) })
      const address = await gateway.listening()
      const child = childOf()
      const call = post(`${address}/mcp-rest/tools/call`, heldCall).catch((error: unknown) => error)
      await vi.waitFor(() => expect(callsOf(upstream)).toBe(1))
      gateway.signal('SIGINT')
      await draining(address)
      gateway.signal('SIGTERM')
      expect(await gateway.ended).toMatchObject({ code: 130, signal: null, stderr: '' })
      expect(await call).toBeInstanceOf(TypeError)
      await vi.waitFor(() => expect(isAlive(child)).toBe(false), { timeout: 5_000 })
    },
  )
})
