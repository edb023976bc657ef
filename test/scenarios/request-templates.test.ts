import { startRawMcpServer, type RawMcpServer } from '@toolgate/testing/mcp-raw'
import { scriptedStdio } from '@toolgate/testing/mcp-stdio'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { boot, type Booted, recordingLog } from '../boot.ts'
import { verifies } from '../verifies.ts'

/** Says what it was started with, and which process it is. */
const confidant = scriptedStdio(`
  const said = [process.env.TOKEN, process.env.TENANT, process.pid].join(' ')
  const tool = { name: 'tell', inputSchema: { type: 'object' } }
  const asked = (message) => {
    process.stderr.write(said)
    if (message.method === 'tools/list') answer(message, { tools: [tool] })
    if (message.method === 'tools/call') answer(message, { content: [{ type: 'text', text: said }] })
  }`)

const log = recordingLog()
let upstream: RawMcpServer
let gateway: Booted
beforeAll(async () => {
  upstream = await startRawMcpServer()
  const http = (static_headers: object) => ({ url: upstream.url, static_headers })
  gateway = await boot({
    log,
    config: {
      mcp_servers: {
        filled: http({
          Authorization: 'Bearer ${X-USER-TOKEN}',
          'X-Tenant': '${X-TENANT:-main}',
          'X-Empty': '${X-NONE:-}',
        }),
        local: { ...confidant, env: { TOKEN: '${X-USER-TOKEN}', TENANT: '${X-TENANT:-main}' } },
        stolen: http({ 'X-Key': '${X-LITELLM-API-KEY}' }),
        framed: http({ 'X-Length': '${Content-Length}' }),
      },
    },
  })
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await upstream[Symbol.asyncDispose]()
})

const call = (server: string, headers: Record<string, string>, options: object = {}) => {
  const name = server === 'local' ? 'tell' : 'echo'
  return gateway.json('/mcp-rest/tools/call', { body: { server_id: server, name, arguments: {} }, headers, ...options })
}
const told = async (headers: Record<string, string>) => {
  const { content } = await call('local', headers)
  const [{ text = '' } = {}]: { text?: string }[] = Array.isArray(content) ? content : []
  const [token, tenant, pid] = text.split(' ')
  return { token, tenant, pid }
}

describe('what an operator wrote for requests to fill in', () => {
  verifies('identity:request-templates', 'holds the headers of each request, in static_headers', async () => {
    await call('filled', { 'x-user-token': 'token-of-ada', 'x-tenant': 'north' })
    expect(upstream.received('tools/call').at(-1)?.headers).toMatchObject({
      authorization: 'Bearer token-of-ada',
      'x-tenant': 'north',
    })
    await call('filled', { 'x-user-token': 'token-of-bob' })
    const { headers } = upstream.received('tools/call').at(-1) ?? {}
    expect(headers).toMatchObject({ authorization: 'Bearer token-of-bob', 'x-tenant': 'main' })
    expect(headers).not.toHaveProperty('x-empty')
    // Two people: neither meets the session of the other.
    const sessions = upstream.received('initialize').map(({ headers }) => headers.authorization)
    expect(new Set(sessions)).toEqual(new Set(['Bearer token-of-ada', 'Bearer token-of-bob']))
  })

  verifies('identity:request-templates', 'holds them in the environment of a process of their own', async () => {
    const ada = await told({ 'x-user-token': 'token-of-ada' })
    expect(ada).toMatchObject({ token: 'token-of-ada', tenant: 'main' })
    expect(await told({ 'x-user-token': 'token-of-ada' })).toEqual(ada)
    const bob = await told({ 'x-user-token': 'token-of-bob', 'x-tenant': 'north' })
    expect(bob).toMatchObject({ token: 'token-of-bob', tenant: 'north' })
    expect(bob.pid).not.toBe(ada.pid)
    // A user may have two tokens, and a process keeps what it was started with.
    const key = await gateway.makeKey({ user_id: 'ada', object_permission: { mcp_servers: ['local'] } })
    const body = { server_id: 'local', name: 'tell', arguments: {} }
    for (const token of ['first-token', 'second-token']) {
      const { content } = await gateway.json('/mcp-rest/tools/call', { key, body, headers: { 'x-user-token': token } })
      expect(JSON.stringify(content)).toContain(token)
    }
    expect(log.lines.join()).not.toMatch(/token-of-(?:ada|bob)|(?:first|second)-token/)
  })

  verifies('identity:request-templates', 'is a sign-in to do for whoever sends nothing to fill in', async () => {
    const before = upstream.requests.length
    for (const server of ['filled', 'local']) {
      const answer = await call(server, { 'x-tenant': 'north' }, { status: 401 })
      expect(answer).toMatchObject({ detail: { error: 'upstream_sign_in_required', server } })
      expect(JSON.stringify(answer)).toContain('x-user-token')
    }
    // The gateway's own key fills in nothing, whatever header it stands in.
    await call('filled', { 'x-user-token': gateway.masterKey }, { status: 401 })
    expect(upstream.requests).toHaveLength(before)
    const health = await gateway.request('/v1/mcp/server/health')
    expect(await health.json()).toMatchObject([{ status: 'needs_auth' }, { status: 'needs_auth' }])
  })

  verifies('identity:request-templates', 'never names a header that goes nowhere', () => {
    expect(log.lines.filter((line) => line.includes('server left out'))).toEqual([
      expect.stringContaining('mcp_servers.stolen.static_headers must not hold x-litellm-api-key'),
      expect.stringContaining('mcp_servers.framed.static_headers must not hold content-length'),
    ])
  })
})
