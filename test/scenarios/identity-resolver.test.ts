import { type RawMcpServer, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { afterAll, beforeAll, beforeEach, describe, expect } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'

/** One party that answers for every server of the file, each under a path of its own, and keeps what it was sent. */
let upstream: RawMcpServer
let gateway: Booted
let key: string
let before = 0

const serversOf = (at: (path: string) => string) => ({
  plain: { url: at('/plain') },
  git: { url: at('/git'), auth_type: 'bearer_token', authentication_token: 'of-the-operator' },
  'git-hub': { url: at('/git-hub'), auth_type: 'bearer_token', authentication_token: 'of-the-operator' },
  mailbox: { url: at('/mailbox'), alias: 'post', auth_type: 'api_key', auth_value: 'of-the-operator' },
  delegate: { url: at('/delegate'), auth_type: 'oauth_delegate' },
  through: { url: at('/through'), auth_type: 'true_passthrough' },
  signin: { url: at('/signin'), auth_type: 'oauth2', authorization_url: 'https://idp.example.com/authorize' },
  declared: {
    url: at('/declared'),
    extra_headers: ['Authorization', 'X-Tenant', 'X-Fixed'],
    static_headers: { 'X-Fixed': 'by-operator' },
  },
})

beforeAll(async () => {
  upstream = await startRawMcpServer()
  gateway = await boot({
    config: {
      mcp_servers: serversOf((path) => new URL(path, upstream.url).href),
      general_settings: { mcp_default_access: 'all' },
    },
  })
  key = await gateway.makeKey()
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await upstream[Symbol.asyncDispose]()
})
beforeEach(() => {
  before = upstream.requests.length
})

const call = (server: string, headers: Record<string, string>, status = 200) =>
  gateway.json('/mcp-rest/tools/call', { key, headers, body: { server_id: server, name: 'echo' }, status })

/** The headers with which this server was called in this test. */
function calledWith(server: string) {
  const calls = upstream.requests.slice(before).filter(({ path, message }) => {
    return path === `/${server}` && message['method'] === 'tools/call'
  })
  expect(calls).toHaveLength(1)
  return calls[0]?.headers ?? {}
}

/** Everything that any server was sent in this test, as one text. */
const sentAnywhere = () =>
  upstream.requests
    .slice(before)
    .map(({ raw }) => raw)
    .join('\n')

describe('a header for one server by name', () => {
  verifies(
    'identity:one-resolver',
    'wins over the credential of the operator and reaches that server only',
    async () => {
      await call('git', { 'x-mcp-git-authorization': 'Bearer of-the-caller' })
      expect(calledWith('git')['authorization']).toBe('Bearer of-the-caller')
      await call('plain', { 'x-mcp-git-authorization': 'Bearer of-the-caller' })
      expect(calledWith('plain')['authorization']).toBeUndefined()
    },
  )

  verifies('identity:one-resolver', 'belongs to the longest alias that fits it, never to the shorter one', async () => {
    const headers = { 'x-mcp-git-hub-authorization': 'Bearer of-the-caller' }
    await call('git-hub', headers)
    expect(calledWith('git-hub')['authorization']).toBe('Bearer of-the-caller')
    await call('git', headers)
    expect(calledWith('git')).toMatchObject({ authorization: 'Bearer of-the-operator' })
    expect(calledWith('git')).not.toHaveProperty('hub-authorization')
  })

  verifies('identity:one-resolver', 'is found by alias and by name, in any case', async () => {
    await call('mailbox', { 'X-MCP-Post-X-API-Key': 'of-the-caller' })
    expect(calledWith('mailbox')['x-api-key']).toBe('of-the-caller')
    before = upstream.requests.length
    await call('post', { 'x-mcp-mailbox-x-api-key': 'of-the-caller' })
    expect(calledWith('mailbox')['x-api-key']).toBe('of-the-caller')
  })

  verifies('identity:one-resolver', 'wins over the Authorization of the same request', async () => {
    await call('through', { authorization: 'Bearer general', 'x-mcp-through-authorization': 'Bearer for-this-server' })
    expect(calledWith('through')['authorization']).toBe('Bearer for-this-server')
    expect(sentAnywhere()).not.toContain('general')
  })

  verifies('identity:one-resolver', 'cannot name what the transport or the protocol owns', async () => {
    for (const header of ['host', 'mcp-session-id', 'content-length', 'x-litellm-api-key']) {
      const answer = await call('plain', { [`x-mcp-plain-${header}`]: 'forged' }, 400)
      expect(answer).toMatchObject({ detail: { error: 'invalid_request' } })
    }
    expect(sentAnywhere()).not.toContain('forged')
  })

  verifies('identity:one-resolver', 'reaches its server also where the request names the tool only', async () => {
    const headers = { 'x-mcp-git-authorization': 'Bearer of-the-caller', 'x-mcp-declared-x-tenant': 'seven' }
    await gateway.json('/mcp/tools/call', { key, headers, body: { name: 'git-echo', arguments: {} } })
    expect(calledWith('git')['authorization']).toBe('Bearer of-the-caller')
    expect(sentAnywhere()).not.toContain('seven')
  })
})

describe('the Authorization of a caller', () => {
  verifies('identity:one-resolver', 'is passed on by the servers that declare it', async () => {
    for (const server of ['delegate', 'through', 'signin', 'declared']) {
      before = upstream.requests.length
      await call(server, { authorization: 'Bearer of-the-caller' })
      expect(calledWith(server)['authorization']).toBe('Bearer of-the-caller')
    }
  })

  verifies('identity:one-resolver', 'is passed on by no other server', async () => {
    for (const server of ['plain', 'git', 'mailbox']) await call(server, { authorization: 'Bearer of-the-caller' })
    expect(calledWith('git')['authorization']).toBe('Bearer of-the-operator')
    expect(sentAnywhere()).not.toContain('of-the-caller')
  })

  verifies('identity:one-resolver', 'stays here where it is the key of the gateway', async () => {
    const answer = await gateway.request('/mcp-rest/tools/call', {
      key: null,
      headers: { authorization: `Bearer ${key}` },
      body: { server_id: 'through', name: 'echo' },
    })
    expect(answer.status).toBe(401)
    expect(await answer.json()).toMatchObject({ detail: { error: 'upstream_sign_in_required', server: 'through' } })
    expect(sentAnywhere()).not.toContain(key)
  })
})

describe('headers that the operator declared', () => {
  verifies(
    'identity:one-resolver',
    'extra_headers are copied, static_headers win over them, the rest stays',
    async () => {
      await call('declared', { 'X-Tenant': 'seven', 'X-Fixed': 'by-caller', 'X-Other': 'not-declared' })
      expect(calledWith('declared')).toMatchObject({ 'x-tenant': 'seven', 'x-fixed': 'by-operator' })
      expect(sentAnywhere()).not.toMatch(/by-caller|not-declared/)
    },
  )
})

describe('x-mcp-auth', () => {
  verifies(
    'identity:one-resolver',
    'is used where the request names one server, in the way of that server',
    async () => {
      await call('mailbox', { 'x-mcp-auth': 'of-the-caller' })
      expect(calledWith('mailbox')['x-api-key']).toBe('of-the-caller')
      await call('git', { 'x-mcp-auth': 'of-the-caller' })
      expect(calledWith('git')['authorization']).toBe('Bearer of-the-caller')
    },
  )

  verifies('identity:one-resolver', 'is sent nowhere by a request that names none', async () => {
    const headers = { 'x-mcp-auth': 'of-the-caller' }
    await gateway.json('/mcp/tools/call', { key, headers, body: { name: 'git-echo', arguments: {} } })
    await gateway.json('/mcp-rest/tools/list', { key, headers })
    expect(calledWith('git')['authorization']).toBe('Bearer of-the-operator')
    expect(sentAnywhere()).not.toContain('of-the-caller')
  })

  verifies('identity:one-resolver', 'lists one server that only a user opens, as it calls it', async () => {
    const { tools } = await gateway.json('/mcp-rest/tools/list?server_id=signin', {
      key,
      headers: { 'x-mcp-auth': 'of-the-caller' },
    })
    expect(tools).toMatchObject([{ name: 'echo' }])
    expect(sentAnywhere()).toContain('Bearer of-the-caller')
  })
})
