import type { LlmServer } from '@toolgate/testing/llm-server'
import { type RawMcpServer, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'
import { eagerModel, startEagerModel } from './every-door.ts'
import { filled, keyPath, variablesPath } from './user-secret-servers.ts'

const behind = new AsyncDisposableStack()
let upstream: RawMcpServer
let model: LlmServer
let gateway: Booted
/** Has set nothing, but for as long as a test says so. */
let amy: string
beforeAll(async () => {
  upstream = behind.use(await startRawMcpServer())
  model = behind.use(await startEagerModel())
  const { url } = upstream
  const config = {
    model_list: [eagerModel(model)],
    mcp_servers: { own: { url, auth_type: 'api_key', is_byok: true }, filled: { url, ...filled } },
  }
  gateway = behind.use(await boot({ config }))
  amy = await gateway.makeKey({ user_id: 'amy', object_permission: { mcp_servers: ['own', 'filled'] } })
})
afterAll(() => behind.disposeAsync())

const seen = () => upstream.received('tools/call').at(-1)?.headers

/** Answers of every door that calls a tool, asked why. */
const doorsWithReasons: Readonly<Record<string, (server: string) => readonly [path: string, body: object]>> = {
  REST: (server) => ['/mcp-rest/tools/call', { server_id: server, name: 'echo', arguments: {} }],
  MCP: (server) => [
    `/mcp/${server}`,
    { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'echo', arguments: {} } },
  ],
  chat: (server) => ['/v1/chat/completions', { ...toolsOf(server), messages: [{ role: 'user', content: 'go' }] }],
  responses: (server) => ['/v1/responses', { ...toolsOf(server), input: 'go' }],
  messages: (server) => [
    '/v1/messages',
    { ...toolsOf(server), max_tokens: 50, messages: [{ role: 'user', content: 'go' }] },
  ],
}
const toolsOf = (server: string) => ({
  model: 'gpt',
  tools: [{ type: 'mcp', server_label: server, server_url: `litellm_proxy/mcp/${server}`, require_approval: 'never' }],
})
const reasons = { 'x-litellm-mcp-debug': 'true', accept: 'application/json, text/event-stream' }

describe('keys and variables of users, to a caller who asks why', () => {
  for (const [door, requestOf] of Object.entries(doorsWithReasons)) {
    verifies('identity:explained', `what users hand over is presented and named, and not shown: ${door}`, async () => {
      for (const [server, source, sent, set] of [
        ['own', 'per-user-key', { 'x-api-key': 'key-of-amy' }, { credential: 'key-of-amy' }],
        [
          'filled',
          'per-user-variables',
          { 'x-token': 'Key token-of-amy', 'x-at': 'north/amy' },
          { values: { TOKEN: 'token-of-amy', TENANT: 'amy' } },
        ],
      ] as const) {
        const path = server === 'own' ? keyPath(server) : variablesPath(server)
        await gateway.json(path, { key: amy, body: set })
        const [asked, body] = requestOf(server)
        const answer = await gateway.request(asked, { key: amy, headers: reasons, body })
        const text = await answer.text()
        expect([answer.status, text.includes('"error":{')]).toEqual([200, false])
        expect(seen()).toMatchObject(sent)
        expect(answer.headers.get('x-mcp-debug-auth-resolution')).toBe(source)
        expect(JSON.stringify([...answer.headers]) + text).not.toMatch(/(?:key|token)-of-amy/)
        await gateway.request(path, { key: amy, method: 'DELETE' })
      }
      expect(JSON.stringify(model.requests)).not.toMatch(/(?:key|token)-of-amy/)
    })

    verifies(
      'identity:user-variables',
      `what is missing is named, and nothing is asked of a model: ${door}`,
      async () => {
        const before = [model.requests.length, upstream.received('tools/call').length]
        for (const [server, said] of [
          ['own', 'a key of your own'],
          ['filled', 'TOKEN, TENANT'],
        ] as const) {
          const [asked, body] = requestOf(server)
          const answer = await gateway.request(asked, { key: amy, headers: reasons, body })
          const text = await answer.text()
          expect(text).toContain(said)
          expect(text).toContain('/user-')
          expect(answer.headers.get('x-mcp-debug-auth-resolution')).toBe('missing')
        }
        expect([model.requests.length, upstream.received('tools/call').length]).toEqual(before)
      },
    )
  }
})

describe('variables that their server refuses', () => {
  verifies('identity:user-variables', 'are to be set anew, and lead to no sign-in', async () => {
    const values = { TOKEN: 'former-of-amy', TENANT: 'tenant-of-amy' }
    await gateway.json(variablesPath('filled'), { key: amy, body: { values } })
    const challenge = 'Bearer resource_metadata="https://elsewhere.example/"'
    upstream.answer(({ headers }) =>
      headers['x-token'] === 'Key former-of-amy'
        ? { status: 401, headers: { 'www-authenticate': challenge } }
        : undefined,
    )
    const body = { server_id: 'filled', name: 'echo', arguments: {} }
    expect(await gateway.json('/mcp-rest/tools/call', { key: amy, body, status: 412 })).toMatchObject({
      detail: {
        error: 'missing_user_env_vars',
        server: 'filled',
        missing: ['TOKEN', 'TENANT'],
        setup_url: expect.stringContaining('/user-env-vars'),
        message: expect.stringContaining('refused'),
      },
    })
    const [path, message] = doorsWithReasons['MCP']?.('filled') ?? []
    const answer = await gateway.request(path ?? '', { key: amy, headers: reasons, body: message ?? {} })
    expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([200, null])
    expect(await answer.text()).not.toMatch(/elsewhere\.example|of-amy/)
    // Who brings a credential is told of that, by the server.
    const headers = { 'x-mcp-filled-authorization': 'Bearer brought' }
    await gateway.json('/mcp-rest/tools/call', { key: amy, headers, body, status: 401 })
    await gateway.json(variablesPath('filled'), { key: amy, body: { values: { TOKEN: 'next-of-amy' } } })
    await gateway.json('/mcp-rest/tools/call', { key: amy, body })
    expect(seen()?.['x-token']).toBe('Key next-of-amy')
    upstream.answer(() => undefined)
    await gateway.request(variablesPath('filled'), { key: amy, method: 'DELETE' })
  })
})
