import { startRawMcpServer, type RawMcpServer } from '@toolgate/testing/mcp-raw'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'

let upstream: RawMcpServer
let gateway: Booted
beforeAll(async () => {
  upstream = await startRawMcpServer()
  const server = { url: upstream.url }
  gateway = await boot({
    config: {
      mcp_servers: {
        plain: server,
        open: { ...server, allow_all_keys: true, static_headers: { 'X-Fixed': 'of-the-operator' } },
        grouped: { ...server, access_groups: ['dev'], allowed_tools: ['echo'] },
        keyed: { ...server, auth_type: 'bearer_token', authentication_token: 'of-the-operator' },
        personal: { ...server, auth_type: 'true_passthrough' },
      },
      model_list: [{ model_name: 'gpt', litellm_params: { model: 'mock/gpt', mock_response: 'done' } }],
    },
  })
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await upstream[Symbol.asyncDispose]()
})

const explain = (query: Record<string, string>, options: object = {}) =>
  gateway.json(`/v1/mcp/explain?${new URLSearchParams(query).toString()}`, options)
const hashOf = async (key: string) => {
  const { info } = await gateway.json('/key/info', { key })
  return String(Object(info).token)
}

describe('an explanation', () => {
  verifies('identity:explained', 'names the rule that grants or denies, as a call would find it', async () => {
    const key = await gateway.makeKey({
      object_permission: {
        mcp_servers: ['plain'],
        mcp_access_groups: ['dev'],
        mcp_tool_permissions: { keyed: ['echo'] },
        blocked_tools: ['danger'],
      },
    })
    const cases: [server: string, tool: string | undefined, allowed: boolean, rule: string][] = [
      ['plain', undefined, true, 'mcp_servers'],
      ['plain', 'echo', true, 'mcp_servers'],
      ['plain', 'plain-echo', true, 'mcp_servers'],
      ['plain', 'danger', false, 'blocked_tools'],
      ['open', 'echo', true, 'allow_all_keys'],
      ['grouped', 'echo', true, 'mcp_access_groups'],
      ['grouped', 'other', false, 'allowed_tools'],
      ['keyed', 'echo', true, 'mcp_tool_permissions'],
      ['keyed', 'other', false, 'only_some_tools_granted'],
      ['personal', undefined, false, 'not_granted'],
    ]
    const hash = await hashOf(key)
    for (const [server, tool, allowed, rule] of cases) {
      const query = { server, ...(tool !== undefined && { tool }) }
      const told = await explain({ ...query, key: hash })
      expect([server, tool, told['allowed'], told['rule']]).toEqual([server, tool, allowed, rule])
      if (tool === undefined || tool.includes('-')) continue
      const body = { server_id: server, name: tool, arguments: {} }
      const called = await gateway.request('/mcp-rest/tools/call', { key, body })
      expect([server, tool, called.status]).toEqual([server, tool, allowed ? 200 : 403])
    }
    // A key hears of itself, and of what it may see.
    expect(await explain({ server: 'plain' }, { key })).toMatchObject({
      rule: 'mcp_servers',
      key: { hash, admin: false },
    })
    expect(await explain({ server: 'grouped', tool: 'other' }, { key })).toMatchObject({ rule: 'not_offered' })
    const hidden = await explain({ server: 'personal' }, { key, status: 403 })
    const unknown = await explain({ server: 'nowhere' }, { key, status: 403 })
    expect(JSON.stringify(hidden).replaceAll('personal', 'x')).toBe(JSON.stringify(unknown).replaceAll('nowhere', 'x'))
    await explain({ server: 'plain', key: 'a'.repeat(64) }, { key, status: 403 })
    await explain({ server: 'plain', key: 'a'.repeat(64) }, { status: 404 })
    await explain({ server: 'plain', key }, { status: 400 })
    await gateway.json('/key/block', { body: { key } })
    expect(await explain({ server: 'plain', key: hash })).toMatchObject({
      allowed: false,
      key: { unusable: expect.stringContaining('blocked') },
    })
  })

  verifies('identity:explained', 'names the credential that would be presented, and no secret', async () => {
    const headers = { authorization: 'Bearer the-token-of-a-user', 'x-mcp-keyed-authorization': 'Bearer mine' }
    const sourceOf = async (server: string, brought: object = {}) => {
      const { credential } = await explain({ server }, { headers: brought })
      return Object(credential).source
    }
    expect(await sourceOf('plain')).toBe('none')
    expect(await sourceOf('open')).toBe('static_headers')
    expect(await sourceOf('keyed')).toBe('gateway')
    expect(await sourceOf('keyed', headers)).toBe('caller')
    expect(await sourceOf('personal')).toBe('missing')
    expect(await sourceOf('personal', headers)).toBe('caller')
    const all = await Promise.all(['open', 'keyed', 'personal'].map((server) => explain({ server }, { headers })))
    expect(JSON.stringify(all)).not.toMatch(/of-the-operator|the-token-of-a-user|mine/)
  })
})

describe('x-litellm-mcp-debug', () => {
  verifies('identity:explained', 'shows in headers how the request was understood, masked', async () => {
    const debug = { 'x-litellm-mcp-debug': 'true', authorization: 'Bearer the-token-of-a-user' }
    const ask = async (server: string, options: object = {}) => {
      const body = { server_id: server, name: 'echo', arguments: {} }
      const { headers } = await gateway.request('/mcp-rest/tools/call', { body, headers: debug, ...options })
      return Object.fromEntries([...headers].filter(([name]) => name.startsWith('x-mcp-debug-')))
    }
    expect(await ask('personal')).toEqual({
      'x-mcp-debug-inbound-auth': 'x-litellm-api-key (master_key)',
      'x-mcp-debug-oauth2-token': 'Bearer the-****',
      'x-mcp-debug-auth-resolution': 'oauth2-passthrough',
      'x-mcp-debug-server-auth-type': 'true_passthrough',
      'x-mcp-debug-outbound-url': upstream.url,
    })
    const key = await gateway.makeKey({ object_permission: { mcp_servers: ['keyed'] } })
    const own = await ask('keyed', { key })
    expect(own).toMatchObject({ 'x-mcp-debug-auth-resolution': 'static-token' })
    expect(own).not.toHaveProperty('x-mcp-debug-outbound-url')
    // Of another's server nothing is told.
    expect(await ask('personal', { key })).not.toHaveProperty('x-mcp-debug-auth-resolution')
    expect(await ask('keyed', { headers: { 'x-litellm-mcp-debug': 'no' } })).toEqual({})
    expect(
      JSON.stringify(await ask('personal', { headers: { ...debug, authorization: 'Bearer short' } })),
    ).not.toContain('short')
  })

  verifies('identity:explained', 'is answered at every door, for one server or for each of several', async () => {
    const debug = { 'x-litellm-mcp-debug': 'true', authorization: 'Bearer the-token-of-a-user' }
    const named = { 'x-mcp-personal-authorization': 'Bearer of-this-user' }
    const resolution = async (path: string, body: object, headers: object = {}) => {
      const accept = 'application/json, text/event-stream'
      const answer = await gateway.request(path, { body, headers: { ...debug, accept, ...headers } })
      await answer.text()
      return [answer.status, answer.headers.get('x-mcp-debug-auth-resolution')]
    }
    const legacy = { jsonrpc: '2.0', id: 1, method: 'tools/list' }
    const ofModern = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
      'io.modelcontextprotocol/clientCapabilities': {},
    }
    const modern = { ...legacy, params: { _meta: ofModern } }
    const modernHeaders = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/list' }
    expect(await resolution('/mcp/personal', legacy)).toEqual([200, 'oauth2-passthrough'])
    expect(await resolution('/personal/mcp', legacy, named)).toEqual([200, 'per-request-header'])
    expect(await resolution('/mcp/personal', modern, modernHeaders)).toEqual([200, 'oauth2-passthrough'])
    const several = 'open=static-headers, keyed=static-token'
    expect(await resolution('/mcp/keyed,open', legacy)).toEqual([200, several])
    expect(await resolution('/mcp', legacy, { 'x-mcp-servers': 'keyed,open' })).toEqual([200, several])
    expect(await resolution('/mcp/nowhere', legacy)).toEqual([403, null])
    const entry = (server: string, headers = {}) => ({
      type: 'mcp',
      server_label: server,
      server_url: `litellm_proxy/mcp/${server}`,
      require_approval: 'never',
      headers,
    })
    for (const stream of [false, true]) {
      const chat = { model: 'gpt', messages: [{ role: 'user', content: 'x' }], stream }
      expect(await resolution('/v1/chat/completions', { ...chat, tools: [entry('keyed')] })).toEqual([
        200,
        'static-token',
      ])
      const tools = [entry('keyed'), entry('personal', named)]
      expect(await resolution('/v1/chat/completions', { ...chat, tools })).toEqual([
        200,
        'keyed=static-token, personal=per-request-header',
      ])
      const input = { model: 'gpt', input: 'x', stream, tools: [entry('plain')] }
      expect(await resolution('/v1/responses', input)).toEqual([200, 'no-auth'])
    }
  })
})
