import { Client as Client2, SSEClientTransport as Transport2 } from '@modelcontextprotocol/client'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js'
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import { startEverything } from '@toolgate/testing/mcp-everything'
import { afterAll, beforeAll, describe, expect, vi } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'

let gateway: Booted
let http: Awaited<ReturnType<typeof startEverything>>
beforeAll(async () => {
  http = await startEverything()
  const server = { url: http.url, allow_elicitation: true }
  gateway = await boot({ config: { mcp_servers: { one: server, two: server } } })
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await http[Symbol.asyncDispose]()
})

const address = (path: string) => new URL(path, 'http://gateway.test')
const options = (headers: Record<string, string> = {}) => ({
  fetch: gateway.fetch,
  requestInit: { headers: { 'x-litellm-api-key': gateway.masterKey, ...headers } },
})
const accepted = { action: 'accept' as const, content: { name: 'Ada' } }

const lines = {
  'the maintenance line': async (path: string, headers?: Record<string, string>) => {
    const client = new Client({ name: 'old', version: '1' }, { capabilities: { elicitation: {} } })
    client.setRequestHandler(ElicitRequestSchema, async () => accepted)
    await client.connect(new SSEClientTransport(address(path), options(headers)))
    return client
  },
  'the current line': async (path: string, headers?: Record<string, string>) => {
    const client = new Client2({ name: 'old', version: '2' }, { capabilities: { elicitation: {} } })
    client.setRequestHandler('elicitation/create', async () => accepted)
    await client.connect(new Transport2(address(path), options(headers)))
    return client
  },
}

describe('the legacy SSE transport', () => {
  for (const [line, connect] of Object.entries(lines)) {
    verifies('mcp:legacy-sse', `serves the client of ${line}: lists, calls, progress, questions`, async () => {
      for (const path of ['/sse', '/mcp/sse/']) {
        const client = await connect(path)
        expect(client.getServerVersion()).toMatchObject({ name: 'toolgate' })
        const names = (await client.listTools()).tools.map(({ name }) => name)
        expect(names).toEqual(expect.arrayContaining(['one-echo', 'two-echo']))
        const echo = await client.callTool({ name: 'one-echo', arguments: { message: 'hi' } })
        expect(echo).toMatchObject({ content: [{ text: 'Echo: hi' }] })
        const heard: number[] = []
        const long = { name: 'one-trigger-long-running-operation', arguments: { duration: 0.2, steps: 2 } }
        const onprogress = ({ progress }: { progress: number }) => void heard.push(progress)
        if (client instanceof Client) await client.callTool(long, undefined, { onprogress })
        else await client.callTool(long, { onprogress })
        expect(heard).toEqual([1, 2])
        const asked = await client.callTool({ name: 'one-trigger-elicitation-request', arguments: {} })
        expect(JSON.stringify(asked)).toContain('Ada')
        await client.close()
      }
    })
  }

  verifies('mcp:legacy-sse', 'is narrowed by x-mcp-servers, which no message can widen', async () => {
    const connect = lines['the maintenance line']
    const client = await connect('/sse', { 'x-mcp-servers': 'two' })
    const { tools } = await client.listTools()
    expect(tools.length).toBeGreaterThan(0)
    expect(tools.filter(({ name }) => !name.startsWith('two-'))).toEqual([])
    await client.close()
    const refused = await gateway.request('/sse', { headers: { 'x-mcp-servers': 'nowhere' } })
    expect(refused.status).toBe(403)

    const { events, messages, read } = await openStream({ 'x-mcp-servers': 'two' })
    await post(messages, { id: 1, method: 'tools/list' }, { headers: { 'x-mcp-servers': 'one' } })
    await read('"id":1')
    expect(events()).toContain('"two-echo"')
    expect(events()).not.toContain('"one-echo"')
  })

  const post = (path: string, message: object, others: { key?: string; headers?: Record<string, string> } = {}) =>
    gateway.request(path, { ...others, body: { jsonrpc: '2.0', ...message } })

  async function openStream(headers: Record<string, string> = {}) {
    const leaving = new AbortController()
    const response = await gateway.request('/sse', { headers, signal: leaving.signal })
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
    let text = ''
    const read = async (wanted: string) => {
      while (!text.includes(wanted)) {
        const chunk = await reader?.read()
        if (chunk === undefined || chunk.done) throw new Error(`the stream ended before ${wanted}`)
        text += chunk.value
      }
    }
    await read('\n\nevent: endpoint\ndata: ')
    await read('sessionId=')
    const [, messages = ''] = /data: (\/sse\/messages\?sessionId=\w+)\n\n/.exec(text) ?? []
    return { events: () => text, messages, read, leave: () => reader?.cancel() }
  }

  verifies('mcp:legacy-sse', 'is its caller’s alone, and its session ends with the stream', async () => {
    const { messages, read, leave } = await openStream()
    const params = { protocolVersion: '2024-11-05', capabilities: {}, clientInfo: { name: 'raw', version: '1' } }
    const accepted = await post(messages.replace('?', '/?'), { id: 0, method: 'initialize', params })
    expect([accepted.status, await accepted.text()]).toEqual([202, 'Accepted'])
    await read('"protocolVersion":"2024-11-05"')
    const stranger = await gateway.makeKey({ object_permission: { mcp_servers: ['one'] } })
    const refused = await post(messages, { id: 1, method: 'ping' }, { key: stranger })
    expect([refused.status, await refused.json()]).toEqual([
      403,
      { error: 'Forbidden', details: 'This stream is bound to a different caller.' },
    ])
    const live = () =>
      [...gateway.services.sessions.live()].filter(({ protocolVersion }) => protocolVersion === '2024-11-05')
    expect(live()).toHaveLength(1)
    await leave()
    await vi.waitFor(() => expect(live()).toHaveLength(0))
    expect((await post(messages, { id: 2, method: 'ping' })).status).toBe(404)
    for (const [path, method, allowed] of [
      ['/sse', 'POST', 'GET'],
      ['/mcp/sse/messages/', 'GET', 'POST'],
    ] as const) {
      const response = await gateway.request(path, { method })
      expect([response.status, response.headers.get('allow')]).toEqual([405, allowed])
    }
  })

  verifies('mcp:legacy-sse', 'opens one session on a stream, also where it is asked for two at once', async () => {
    const { messages, read, events, leave } = await openStream()
    const params = { protocolVersion: '2024-11-05', capabilities: {}, clientInfo: { name: 'raw', version: '1' } }
    const body = [1, 2].map((id) => ({ jsonrpc: '2.0', id, method: 'initialize', params }))
    expect((await gateway.request(messages, { body })).status).toBe(202)
    for (const answer of ['"id":1,', '"id":2,']) await read(answer)
    expect(events()).toMatch(/"id":2,"error":/)
    const live = () =>
      [...gateway.services.sessions.live()].filter(({ protocolVersion }) => protocolVersion === '2024-11-05')
    expect(live()).toHaveLength(1)
    await leave()
    await vi.waitFor(() => expect(live()).toHaveLength(0))
  })
})
