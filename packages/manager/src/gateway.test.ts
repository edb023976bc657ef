import {
  type AuthorizedCall,
  type CredentialSource,
  GatewayError,
  type JsonObject,
  type Layer,
  noGrants,
} from '@toolgate/core'
import { callerOf, principalOf } from '@toolgate/testing/callers'
import { openAuth } from '@toolgate/testing/server-definition'
import { describe, expect, it } from 'vitest'
import { bearerOf, credentialOf, serverOf, toolsNamed, worldOf } from './fake-world.fixture.ts'
import type { ListRequest } from './gateway.ts'
import { SessionExpired } from './upstream/connection.ts'

const files = serverOf({ id: 'files' })
const filesOnly = { files: { lists: { tools: toolsNamed('read', 'write') } } }
const grantedTo = (...servers: string[]) =>
  callerOf({ principal: principalOf({ grants: { ...noGrants, servers: new Set(servers) } }) })

describe('send', () => {
  it('replaces the public name by the upstream’s and passes everything else in params untouched', async () => {
    const world = worldOf({ servers: [files], upstreams: filesOnly })
    const params = { name: 'files-read', arguments: { path: '/a' }, _meta: { progressToken: 7 }, unheardOf: [1] }
    const result = await world.gateway.send(callerOf(), { method: 'tools/call', params })
    expect(result).toEqual({ server: 'files', method: 'tools/call', params: { ...params, name: 'read' } })
    expect(world.records[0]?.trace).toMatchObject({
      callId: 'call_1',
      kind: 'tool_call',
      publicName: 'files-read',
      serverId: 'files',
      targetName: 'read',
      credentialType: 'none',
      outcome: 'ok',
    })
  })

  it('runs the policies in list order, the first outermost, inside the record', async () => {
    const passed: string[] = []
    const stamp =
      (label: string): Layer<AuthorizedCall, JsonObject> =>
      async (call, next) => {
        passed.push(`> ${label}`)
        const result = await next(call)
        passed.push(`< ${label}`)
        return result
      }
    const world = worldOf({ servers: [files], upstreams: filesOnly, policies: [stamp('outer'), stamp('inner')] })
    await world.call(callerOf(), 'files-read')
    expect(passed).toEqual(['> outer', '> inner', '< inner', '< outer'])
  })

  it('sends what a policy changed, to the target that was authorized', async () => {
    const masking: Layer<AuthorizedCall, JsonObject> = (call, next) =>
      next({ ...call, params: { ...call.params, arguments: { path: '[masked]' } } })
    const world = worldOf({ servers: [files], upstreams: filesOnly, policies: [masking] })
    await world.call(callerOf(), 'files-read', { arguments: { path: 'secret' } })
    expect(world.pool.sent.at(-1)?.params).toEqual({ name: 'read', arguments: { path: '[masked]' } })
  })

  it('records a refused call, which reaches no policy, no credential and no upstream', async () => {
    const touched: string[] = []
    const world = worldOf({
      servers: [files],
      upstreams: filesOnly,
      policies: [(call, next) => (touched.push('policy'), next(call))],
      credentials: { forCaller: async () => (touched.push('credential'), credentialOf()) },
    })
    await expect(world.call(grantedTo('other'), 'files-read')).rejects.toMatchObject({ code: 'TARGET_NOT_FOUND' })
    expect(touched).toEqual([])
    expect(world.pool.acquired).toEqual([])
    expect(world.records.map(({ trace }) => trace)).toMatchObject([
      { publicName: 'files-read', outcome: 'TARGET_NOT_FOUND' },
    ])
  })

  it('relays a result with isError as it came and records a tool error', async () => {
    const failed = { content: [{ type: 'text', text: 'no' }], isError: true, extra: 1 }
    const world = worldOf({ servers: [files], upstreams: { files: { answer: async () => failed } } })
    expect(await world.call(callerOf(), 'files-read')).toEqual(failed)
    expect(world.records[0]?.trace.outcome).toBe('tool_error')
  })

  it('hands the caller’s peer, signal and the server’s time limits to the upstream', async () => {
    const world = worldOf({ servers: [files], upstreams: filesOnly })
    const caller = callerOf()
    await world.call(caller, 'files-read')
    const sent = world.pool.sent.at(-1)
    expect(sent?.peer).toBe(caller.peer)
    expect(sent).toMatchObject({ signal: caller.signal, idleTimeoutMs: 6_000, totalTimeoutMs: 60_000 })
  })

  it('refuses a method without a target, and records that', async () => {
    const world = worldOf({ servers: [files] })
    const request = { server: 'files', method: 'experimental/thing', params: {} }
    await expect(world.gateway.send(callerOf(), request)).rejects.toMatchObject({ code: 'METHOD_NOT_FOUND' })
    expect(world.records[0]?.trace).toMatchObject({ kind: 'mcp_request', outcome: 'METHOD_NOT_FOUND' })
  })

  it('reports a call that its caller gave up as cancelled', async () => {
    const leaving = new AbortController()
    const answer = async () => {
      leaving.abort()
      throw leaving.signal.reason
    }
    const world = worldOf({ servers: [files], upstreams: { files: { answer } } })
    await expect(world.call(callerOf({ signal: leaving.signal }), 'files-read')).rejects.toMatchObject({
      code: 'CANCELLED',
    })
    expect(world.pool.leased).toBe(0)
  })
})

describe('what is repeated', () => {
  const rejection = () => new GatewayError('UPSTREAM_CREDENTIAL_REJECTED', 'MCP server "files" refused the credential.')

  /** Answers the calls of a tool with these failures, one after the other, and then with a result. */
  const failing = (...failures: readonly Error[]) => {
    const left = [...failures]
    return {
      answer: async () => {
        const failure = left.shift()
        if (failure !== undefined) throw failure
        return { done: true }
      },
    }
  }

  it('resolves another credential once after a rejection, and sends once more', async () => {
    let resolved = 0
    let dropped = 0
    const rejected = () => (dropped += 1) > 0
    const world = worldOf({
      servers: [files],
      upstreams: { files: failing(rejection()) },
      credentials: { forCaller: async () => bearerOf(`token-${(resolved += 1)}`, { rejected }) },
    })
    expect(await world.call(callerOf(), 'files-read')).toEqual({ done: true })
    expect(dropped).toBe(1)
    expect(world.pool.sent.map(({ headers }) => headers.get('authorization')?.reveal())).toEqual([
      'Bearer token-1',
      'Bearer token-2',
    ])
  })

  it('sends no third time when the second credential is rejected too', async () => {
    const world = worldOf({
      servers: [files],
      upstreams: { files: failing(rejection(), rejection()) },
      credentials: { forCaller: async () => bearerOf('token', { rejected: () => true }) },
    })
    await expect(world.call(callerOf(), 'files-read')).rejects.toMatchObject({ code: 'UPSTREAM_CREDENTIAL_REJECTED' })
    expect(world.pool.sent).toHaveLength(2)
  })

  it('does not try again where no other credential can be had', async () => {
    const world = worldOf({
      servers: [files],
      upstreams: { files: failing(rejection()) },
      credentials: { forCaller: async () => bearerOf('static') },
    })
    await expect(world.call(callerOf(), 'files-read')).rejects.toMatchObject({ code: 'UPSTREAM_CREDENTIAL_REJECTED' })
    expect(world.pool.sent).toHaveLength(1)
  })

  it('asks the caller to sign in where the rejected credential was its own or none', async () => {
    const challenge = 'Bearer resource_metadata="https://files.example/.well-known/oauth-protected-resource"'
    const refusal = new GatewayError('UPSTREAM_CREDENTIAL_REJECTED', 'refused', { details: { challenge } })
    for (const credential of [bearerOf('mine', { scope: { kind: 'holder', holder: 'alice' } }), credentialOf()]) {
      const world = worldOf({
        servers: [files],
        upstreams: { files: failing(refusal) },
        credentials: { forCaller: async () => credential },
      })
      await expect(world.call(callerOf(), 'files-read')).rejects.toMatchObject({
        code: 'UPSTREAM_SIGN_IN_REQUIRED',
        details: { server: 'files', challenge },
      })
    }
  })

  it('opens one new session when the upstream forgot the old one, and sends again', async () => {
    const world = worldOf({ servers: [files], upstreams: { files: failing(new SessionExpired()) } })
    expect(await world.call(callerOf(), 'files-read')).toEqual({ done: true })
    expect(world.pool).toMatchObject({ discarded: 1, leased: 0 })
    expect(world.pool.acquired).toHaveLength(2)
  })

  it('gives up when the new session is forgotten at once', async () => {
    const twice = failing(new SessionExpired(), new SessionExpired())
    const world = worldOf({ servers: [files], upstreams: { files: twice } })
    await expect(world.call(callerOf(), 'files-read')).rejects.toMatchObject({ code: 'UPSTREAM_PROTOCOL' })
    expect(world.pool.sent).toHaveLength(2)
  })

  it.each([
    'UPSTREAM_TIMEOUT',
    'UPSTREAM_UNREACHABLE',
    'UPSTREAM_BUSY',
    'UPSTREAM_PROTOCOL',
    'UPSTREAM_ERROR',
  ] as const)('never sends a call again after %s: it may have had its effect', async (code) => {
    const failure = new GatewayError(code, 'failed', { details: { server: 'files', stage: 'call' } })
    const world = worldOf({ servers: [files], upstreams: { files: failing(failure) } })
    await expect(world.call(callerOf(), 'files-read')).rejects.toBe(failure)
    expect(world.pool.sent).toHaveLength(1)
    expect(world.records[0]?.trace).toMatchObject({ outcome: code, stage: 'call' })
  })

  it('hides the text of a failure that is nobody’s error', async () => {
    const world = worldOf({ servers: [files], upstreams: { files: failing(new Error('password=hunter2')) } })
    const failure = await world.call(callerOf(), 'files-read').catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'INTERNAL' })
    expect(String(failure)).not.toContain('hunter2')
  })
})

describe('list', () => {
  it('shows definitions as the upstream sent them, under names that can be called', async () => {
    const definition = { name: 'read', inputSchema: { type: 'object' }, annotations: { x: 1 }, novel: { deep: [true] } }
    const world = worldOf({ servers: [files], upstreams: { files: { lists: { tools: [definition] } } } })
    const { items, outcomes } = await world.gateway.list(callerOf(), { kind: 'tools' })
    expect(items).toMatchObject([{ server: { id: 'files' }, publicName: 'files-read' }])
    expect(items[0]?.definition).toBe(definition)
    expect(outcomes).toEqual([{ serverId: 'files', serverName: 'files', status: 'ok', message: undefined }])
    expect(world.records[0]?.trace).toMatchObject({ kind: 'list', method: 'tools/list', outcome: 'ok' })
  })

  it('never asks a server that the caller may not use', async () => {
    const world = worldOf({ servers: [files, serverOf({ id: 'secret' })], upstreams: { ...filesOnly, secret: {} } })
    const { outcomes } = await world.gateway.list(grantedTo('files'), { kind: 'tools' })
    expect(outcomes.map(({ serverId }) => serverId)).toEqual(['files'])
    expect(world.pool.acquired.map(({ server }) => server.id)).toEqual(['files'])
  })

  it('takes servers by id, name, alias and access group, each once', async () => {
    const servers = [
      serverOf({ id: 'id-1', name: 'one', alias: 'uno', accessGroups: new Set(['dev']) }),
      serverOf({ id: 'id-2', name: 'two', accessGroups: new Set(['dev']) }),
      serverOf({ id: 'id-3', name: 'three' }),
    ]
    const { gateway } = worldOf({ servers })
    const idsOf = (...names: string[]) => gateway.select(callerOf(), names).servers.map(({ id }) => id)
    expect(idsOf('id-1')).toEqual(['id-1'])
    expect(idsOf('three', 'uno')).toEqual(['id-1', 'id-3'])
    expect(idsOf('dev', 'one')).toEqual(['id-1', 'id-2'])
    expect(gateway.select(callerOf()).servers).toHaveLength(3)
  })

  it('answers for a forbidden server as for one that does not exist', async () => {
    const world = worldOf({ servers: [files, serverOf({ id: 'secret', accessGroups: new Set(['vault']) })] })
    const caller = grantedTo('files')
    for (const name of ['secret', 'nowhere', 'vault']) {
      await expect(world.gateway.list(caller, { kind: 'tools', servers: ['files', name] })).rejects.toMatchObject({
        code: 'SERVER_NOT_FOUND',
        message: `Unknown MCP server: ${name}`,
      })
      await expect(world.call(caller, 'x', { server: name })).rejects.toMatchObject({ code: 'SERVER_NOT_FOUND' })
    }
    expect(world.gateway.select(caller, ['files', 'secret', 'nowhere'])).toMatchObject({
      servers: [{ id: 'files' }],
      unresolved: ['secret', 'nowhere'],
    })
  })

  it('says for which server it was named alone: never for a second one, and not where the door named it', async () => {
    const seen: string[] = []
    const forCaller: CredentialSource['forCaller'] = async ({ id }, _, { onlyServer }) => {
      seen.push(`${id}: ${onlyServer}`)
      return credentialOf({ scope: { kind: 'holder', holder: 'mine' } })
    }
    const auth = { ...openAuth, needsUserToken: true }
    const servers = ['one', 'two'].map((id) => serverOf({ id, auth, accessGroups: new Set(['both']) }))
    const tools = toolsNamed('read')
    const { gateway, ...world } = worldOf({
      servers,
      upstreams: { one: { lists: { tools } }, two: { lists: { tools } } },
      credentials: { forCaller },
    })
    const asked = async (work: () => Promise<unknown>) => {
      seen.length = 0
      await work()
      return new Set(seen)
    }
    const list = (request: Omit<ListRequest, 'kind'>) =>
      asked(() => gateway.list(callerOf(), { kind: 'tools', ...request }))
    const nobody = new Set(['one: false', 'two: false'])
    expect(await list({})).toEqual(nobody)
    expect(await list({ servers: ['one', 'two'] })).toEqual(nobody)
    expect(await list({ servers: ['both'] })).toEqual(nobody)
    expect(await list({ servers: ['one'], onlyServer: false })).toEqual(nobody)
    expect(await list({ servers: ['one'] })).toEqual(new Set(['one: true', 'two: false']))

    const request = { method: 'tools/call', params: { name: 'read', arguments: {} } }
    expect(await asked(() => gateway.send(callerOf(), { ...request, server: 'one' }))).toEqual(new Set(['one: true']))
    expect(await asked(() => gateway.send(callerOf(), { ...request, server: 'one', onlyServer: false }))).toEqual(
      new Set(['one: false']),
    )
    expect(await asked(() => world.call(callerOf(), 'one-read'))).toEqual(new Set(['one: false']))
  })

  it('names the servers that failed and lists the others', async () => {
    const signIn = serverOf({ id: 'mail', auth: { ...openAuth, needsUserToken: true } })
    const world = worldOf({ servers: [files, signIn, serverOf({ id: 'down' })], upstreams: filesOnly })
    const { items, outcomes } = await world.gateway.list(callerOf(), { kind: 'tools' })
    expect(items.map(({ publicName }) => publicName)).toEqual(['files-read', 'files-write'])
    expect(outcomes.map(({ serverId, status }) => [serverId, status])).toEqual([
      ['files', 'ok'],
      ['mail', 'needs_auth'],
      ['down', 'unreachable'],
    ])
  })

  it('withholds a tool whose definition is broken, with the reason, and cannot call it either', async () => {
    const tools = [...toolsNamed('good'), { name: 'bad', inputSchema: { type: 'array' } }]
    const world = worldOf({ servers: [files], upstreams: { files: { lists: { tools } } } })
    const { items, withheld } = await world.gateway.list(callerOf(), { kind: 'tools' })
    expect(items.map(({ publicName }) => publicName)).toEqual(['files-good'])
    expect(withheld).toMatchObject([{ name: 'bad', reason: expect.stringContaining('inputSchema') }])
    await expect(world.call(callerOf(), 'files-bad')).rejects.toMatchObject({ code: 'TARGET_NOT_FOUND' })
  })
})
