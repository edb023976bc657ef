import { type Caller, GatewayError, type JsonObject } from '@toolgate/core'
import { callerOf, principalOf } from '@toolgate/testing/callers'
import { openAuth } from '@toolgate/testing/server-definition'
import { describe, expect, it } from 'vitest'
import { bearerOf, credentialOf, serverOf, targetOf, toolsNamed, type World, worldOf } from '../fake-world.fixture.ts'
import { SessionExpired } from '../upstream/connection.ts'
import type { UpstreamRequest } from '../upstream/connection.ts'
import { defaultCatalogTiming } from './catalog.ts'

const notes = serverOf({ id: 'notes' })
const slow = serverOf({ id: 'slow' })
const unavailable = () => new GatewayError('UPSTREAM_UNREACHABLE', 'MCP server "notes" is not reachable.')

const isList = ({ method }: UpstreamRequest) => method.endsWith('/list')
const listsOf = (world: World, id: string) =>
  world.pool.sent.filter((request) => request.serverId === id && isList(request)).length
const statusOf = async (world: World, caller = callerOf()) =>
  (await world.gateway.list(caller, { kind: 'tools' })).outcomes.map(({ status }) => status)
/** Lets everything that is ready to run do so. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve))

/** A server whose tools and mood the test changes. */
function changing(...first: string[]) {
  const state: { tools: string[]; failure: Error | undefined; asked: number } = {
    tools: first,
    failure: undefined,
    asked: 0,
  }
  const answer = (request: UpstreamRequest) => (isList(request) ? page() : undefined)
  const page = async (): Promise<JsonObject> => {
    state.asked += 1
    if (state.failure !== undefined) throw state.failure
    return { tools: toolsNamed(...state.tools) }
  }
  return { state, answer }
}

const megabyte = 'x'.repeat(1024 * 1024)

const cursorOf = ({ cursor }: JsonObject) => (typeof cursor === 'string' ? cursor : undefined)

const never = () => new Promise<JsonObject>(() => {})

describe('discovery', () => {
  it('reads every page', async () => {
    const pages: Record<string, JsonObject> = {
      start: { tools: toolsNamed('one'), nextCursor: 'two' },
      two: { tools: toolsNamed('two'), nextCursor: 'three' },
      three: { tools: toolsNamed('three') },
    }
    const answer = async ({ params }: UpstreamRequest) => pages[cursorOf(params) ?? 'start'] ?? {}
    const world = worldOf({ servers: [notes], upstreams: { notes: { answer } } })
    expect(await world.toolNames(callerOf())).toEqual(['notes-one', 'notes-two', 'notes-three'])
  })

  it.each<[string, (request: UpstreamRequest) => JsonObject]>([
    ['the same cursor twice', () => ({ tools: [], nextCursor: 'again' })],
    ['more than 100 pages', ({ params }) => ({ tools: [], nextCursor: `${cursorOf(params) ?? ''}+` })],
    ['more than 10000 items', () => ({ tools: toolsNamed(...Array.from({ length: 10_001 }, (_, n) => `t${n}`)) })],
    [
      'more than 67108864 characters',
      ({ params }) => ({ tools: [{ name: 'big', description: megabyte }], nextCursor: `${cursorOf(params) ?? ''}+` }),
    ],
    ['a result without "tools"', () => ({ prompts: [] })],
    ['a cursor that is not a string', () => ({ tools: [], nextCursor: 7 })],
  ])('refuses %s: a list cut short would look complete', async (what, page) => {
    const world = worldOf({ servers: [notes], upstreams: { notes: { answer: async (request) => page(request) } } })
    const { outcomes } = await world.gateway.list(callerOf(), { kind: 'tools' })
    expect(outcomes).toMatchObject([{ status: 'protocol_error', message: expect.stringContaining(what) }])
  })

  it('judges each item alone, and says what is wrong with it', async () => {
    const tools = [
      ...toolsNamed('good', 'twice', 'twice'),
      { title: 'nameless' },
      'text',
      { name: 'odd', inputSchema: [] },
    ]
    const world = worldOf({ servers: [notes], upstreams: { notes: { answer: async () => ({ tools }) } } })
    expect(await world.toolNames(callerOf())).toEqual(['notes-good', 'notes-twice'])
    const { withheld } = await world.gateway.list(callerOf(), { kind: 'tools' })
    expect(withheld.map(({ name }) => name)).toEqual(['twice', '#4', '#5', 'odd'])
  })

  it('does not ask for what the server does not declare, and that is no failure', async () => {
    const world = worldOf({ servers: [notes], upstreams: { notes: { capabilities: { prompts: {} } } } })
    expect(await statusOf(world)).toEqual(['ok'])
    // A list that is empty is still a probe: somebody must have answered.
    expect(world.pool.sent.map(({ method }) => method)).toEqual(['ping'])
  })

  it('starts again, once, when the session expires between pages', async () => {
    let expired = false
    const answer = async ({ params }: UpstreamRequest): Promise<JsonObject> => {
      if (params['cursor'] === undefined) return { tools: toolsNamed('one'), nextCursor: 'two' }
      if (!expired) {
        expired = true
        throw new SessionExpired()
      }
      return { tools: toolsNamed('two') }
    }
    const world = worldOf({ servers: [notes], upstreams: { notes: { answer } } })
    expect(await world.toolNames(callerOf())).toEqual(['notes-one', 'notes-two'])
    expect(world.pool.discarded).toBe(1)
  })

  it.each([
    ['UPSTREAM_TIMEOUT', 'timeout'],
    ['UPSTREAM_UNREACHABLE', 'unreachable'],
    ['UPSTREAM_PROTOCOL', 'protocol_error'],
    ['UPSTREAM_ERROR', 'protocol_error'],
    ['UPSTREAM_SIGN_IN_REQUIRED', 'needs_auth'],
  ] as const)('tells %s as %s, with its reason', async (code, status) => {
    const answer = () => Promise.reject(new GatewayError(code, `because of ${code}`))
    const world = worldOf({ servers: [notes], upstreams: { notes: { answer } } })
    const { outcomes } = await world.gateway.list(callerOf(), { kind: 'tools' })
    expect(outcomes).toMatchObject([{ serverId: 'notes', status, message: `because of ${code}` }])
  })

  it('tells a refused service credential from a missing one', async () => {
    const answer = () => Promise.reject(new GatewayError('UPSTREAM_CREDENTIAL_REJECTED', 'refused'))
    const statusWith = (forDiscovery: () => Promise<ReturnType<typeof credentialOf>>) =>
      statusOf(worldOf({ servers: [notes], upstreams: { notes: { answer } }, credentials: { forDiscovery } }))
    expect(await statusWith(async () => bearerOf('service'))).toEqual(['rejected'])
    expect(await statusWith(async () => credentialOf())).toEqual(['needs_auth'])
  })
})

describe('a server that hangs at discovery', () => {
  const upstreams = { slow: { answer: never }, notes: { lists: { tools: toolsNamed('read') } } }

  it('does not delay a call to another, prefixed or bare', async () => {
    const world = worldOf({ servers: [slow, notes], upstreams })
    const started = world.catalog.start()
    expect(targetOf(await world.call(callerOf(), 'notes-read'))).toBe('notes/read')
    await settled()
    expect(targetOf(await world.call(callerOf(), 'read'))).toBe('notes/read')
    world.clock.advance(defaultCatalogTiming.warmUpMs)
    await started
    await world.catalog.close()
  })

  it('costs a list its own deadline and no other server', async () => {
    const world = worldOf({ servers: [slow, notes], upstreams })
    const listing = world.gateway.list(callerOf(), { kind: 'tools' })
    await settled()
    world.clock.advance(slow.timeouts.listMs)
    const { items, outcomes } = await listing
    expect(items.map(({ publicName }) => publicName)).toEqual(['notes-read'])
    expect(outcomes.map(({ status }) => status)).toEqual(['timeout', 'ok'])
    expect(world.clock.pending).toBe(0)
  })

  it('lets the caller go at once when it gives up', async () => {
    const leaving = new AbortController()
    const world = worldOf({ servers: [slow], upstreams })
    const listing = world.gateway.list(callerOf({ signal: leaving.signal }), { kind: 'tools' })
    leaving.abort()
    await expect(listing).rejects.toMatchObject({ code: 'CANCELLED' })
    expect(world.clock.pending).toBe(0)
  })

  it('ends with the catalog, for whoever waits', async () => {
    const world = worldOf({ servers: [slow], upstreams })
    const started = world.catalog.start()
    const listing = world.gateway.list(callerOf(), { kind: 'tools' })
    await settled()
    await world.catalog.close()
    await started
    await expect(listing).rejects.toMatchObject({ code: 'SHUTTING_DOWN' })
    expect(world.clock.pending).toBe(0)
  })

  it('does not hold up the start beyond the bound, and closing leaves no timer', async () => {
    const world = worldOf({ servers: [slow], upstreams })
    const started = world.catalog.start()
    await settled()
    world.clock.advance(defaultCatalogTiming.warmUpMs)
    await started
    await world.catalog.close()
    expect(world.clock.pending).toBe(0)
  })
})

describe('memory', () => {
  it('serves lists without asking again, and asks once for many at a time', async () => {
    const world = worldOf({ servers: [notes], upstreams: { notes: { lists: { tools: toolsNamed('read') } } } })
    await Promise.all([world.toolNames(callerOf()), world.toolNames(callerOf()), world.toolNames(callerOf())])
    await world.toolNames(callerOf())
    expect(listsOf(world, 'notes')).toBe(1)
  })

  it('is refreshed in the background when its time is over, and serves the old list meanwhile', async () => {
    const { state, answer } = changing('old')
    const world = worldOf({ servers: [notes], upstreams: { notes: { answer } } })
    await world.catalog.start()
    state.tools = ['new']
    world.clock.advance(defaultCatalogTiming.ttlMs - defaultCatalogTiming.sweepMs)
    await settled()
    expect(await world.toolNames(callerOf())).toEqual(['notes-old'])
    world.clock.advance(2 * defaultCatalogTiming.sweepMs)
    expect(await world.toolNames(callerOf())).toEqual(['notes-old'])
    await settled()
    expect(await world.toolNames(callerOf())).toEqual(['notes-new'])
    expect(state.asked).toBe(2)
    await world.catalog.close()
  })

  it('keeps the last good list as stale with the reason, and recovers', async () => {
    const { state, answer } = changing('kept')
    const world = worldOf({ servers: [notes], upstreams: { notes: { answer } } })
    await world.catalog.start()
    state.failure = unavailable()
    world.clock.advance(2 * defaultCatalogTiming.ttlMs)
    await settled()
    const { items, outcomes } = await world.gateway.list(callerOf(), { kind: 'tools' })
    expect(items).toHaveLength(1)
    expect(outcomes).toMatchObject([{ status: 'stale', message: unavailable().message }])
    state.failure = undefined
    world.clock.advance(2 * defaultCatalogTiming.retryMs)
    await settled()
    expect(await statusOf(world)).toEqual(['ok'])
    await world.catalog.close()
  })

  it('reads a list again soon after the server said that it changed, once for many announcements', async () => {
    const { state, answer } = changing('old')
    const world = worldOf({ servers: [notes], upstreams: { notes: { answer } } })
    await world.toolNames(callerOf())
    state.tools = ['new']
    for (let n = 0; n < 50; n += 1) world.catalog.invalidate('notes', 'tools')
    world.clock.advance(defaultCatalogTiming.settleMs)
    await settled()
    expect(await world.toolNames(callerOf())).toEqual(['notes-new'])
    expect(state.asked).toBe(2)
    await world.catalog.close()
  })

  it('does not lose a change announced while the list is being read', async () => {
    const { promise: first, resolve: finishFirst } = Promise.withResolvers<JsonObject>()
    const answers = [() => first, async () => ({ tools: toolsNamed('new') })]
    const world = worldOf({ servers: [notes], upstreams: { notes: { answer: () => answers.shift()?.() } } })
    const listing = world.toolNames(callerOf())
    await settled()
    world.catalog.invalidate('notes', 'tools')
    finishFirst({ tools: toolsNamed('old') })
    expect(await listing).toEqual(['notes-old'])
    world.clock.advance(defaultCatalogTiming.settleMs)
    await settled()
    expect(await world.toolNames(callerOf())).toEqual(['notes-new'])
    await world.catalog.close()
  })

  it('shares nothing with a former revision, keeps what did not change, and drops what is gone', async () => {
    const upstreams = { notes: changing('a'), slow: changing('b') }
    const world = worldOf({ servers: [notes, slow], upstreams })
    await world.catalog.start()
    upstreams.notes.state.tools = ['changed']
    upstreams.slow.state.tools = ['unseen']
    world.registry.replace([serverOf({ id: 'notes', revision: '2' }), serverOf({ id: 'slow' })])
    world.clock.advance(defaultCatalogTiming.sweepMs)
    await settled()
    expect(await world.toolNames(callerOf())).toEqual(['notes-changed', 'slow-b'])

    world.registry.replace([])
    world.clock.advance(defaultCatalogTiming.sweepMs)
    world.registry.replace([slow])
    expect(await world.toolNames(callerOf())).toEqual(['slow-unseen'])
    await world.catalog.close()
  })
})

describe('how long a list holds', () => {
  it.each([
    ['as long as its server says, where that is sooner', { ttlMs: 60_000, due: 70_000, listChanged: true }],
    ['a while all the same, where its server says not at all', { ttlMs: 0, due: 35_000, listChanged: false }],
    ['as ever, where it announces changes', { ttlMs: 0, due: undefined, listChanged: true }],
    ['as ever, where its server allows more', { ttlMs: 86_400_000, due: undefined, listChanged: false }],
  ])('is %s', async (_name, { ttlMs, due, listChanged }) => {
    const answer = async () => ({ tools: toolsNamed('one'), ttlMs, cacheScope: 'public' })
    const notesServer = { answer, protocolVersion: '2026-07-28', capabilities: { tools: { listChanged } } }
    const world = worldOf({ servers: [notes], upstreams: { notes: notesServer } })
    await world.toolNames(callerOf())
    const early = due === undefined ? 0.8 * defaultCatalogTiming.ttlMs : 25_000
    world.clock.advance(early)
    await world.toolNames(callerOf())
    expect(listsOf(world, 'notes')).toBe(1)
    world.clock.advance((due ?? 1.2 * defaultCatalogTiming.ttlMs) - early)
    await world.toolNames(callerOf())
    expect(listsOf(world, 'notes')).toBe(2)
  })
})

describe('a server that needs the user', () => {
  const mail = serverOf({ id: 'mail', auth: { ...openAuth, needsUserToken: true } })
  const ownCredential = async (_: unknown, { principal }: Caller) =>
    principal.userId === undefined
      ? credentialOf()
      : bearerOf(principal.userId, { scope: { kind: 'holder', holder: principal.id } })
  const answer = async ({ headers, method, params }: UpstreamRequest): Promise<JsonObject> => {
    const user = headers.get('authorization')?.reveal().slice('Bearer '.length) ?? 'nobody'
    return method === 'tools/list' ? { tools: toolsNamed(`of-${user}`) } : { user, params }
  }
  const person = (id: string) => callerOf({ principal: principalOf({ id, userId: id }) })
  const mailWorld = () =>
    worldOf({ servers: [mail], upstreams: { mail: { answer } }, credentials: { forCaller: ownCredential } })

  it('is not asked without one, neither by a caller nor in the background', async () => {
    const world = mailWorld()
    await world.catalog.start()
    expect(await statusOf(world)).toEqual(['needs_auth'])
    expect(world.pool.acquired).toEqual([])
    await world.catalog.close()
  })

  it('shows each caller its own list, and never another’s', async () => {
    const world = mailWorld()
    const everyone = ['ada', 'bob', 'ada', 'bob']
    const lists = await Promise.all(everyone.map((id) => world.toolNames(person(id))))
    expect(lists).toEqual(everyone.map((id) => [`mail-of-${id}`]))
    expect(listsOf(world, 'mail')).toBe(2)
    expect(await world.call(person('ada'), 'of-ada')).toMatchObject({ user: 'ada' })
    await expect(world.call(person('ada'), 'of-bob')).rejects.toMatchObject({ code: 'TARGET_NOT_FOUND' })
    await expect(world.call(callerOf(), 'of-ada')).rejects.toMatchObject({ code: 'TARGET_NOT_FOUND' })
  })

  it('goes on being asked for whoever still waits, when the one who came first has left', async () => {
    const own = bearerOf('ada', { scope: { kind: 'holder', holder: 'ada' } })
    const token = Promise.withResolvers<typeof own>()
    let asked = 0
    // Both are told whose list it is; then one of them reads it for both, and a new token has to be fetched for that.
    const forCaller = async (_: unknown, { signal }: Caller) => {
      asked += 1
      if (asked !== 3) return own
      signal.addEventListener('abort', () => token.reject(signal.reason))
      return token.promise
    }
    const world = worldOf({ servers: [mail], upstreams: { mail: { answer } }, credentials: { forCaller } })
    const leaving = new AbortController()
    const first = world.toolNames({ ...person('ada'), signal: leaving.signal }).catch(() => 'left')
    const second = world.toolNames(person('ada'))
    await settled()
    leaving.abort()
    await settled()
    token.resolve(own)
    expect([await first, await second]).toEqual(['left', ['mail-of-ada']])
  })

  it('is asked again for that caller when its list is too old', async () => {
    const world = mailWorld()
    await world.toolNames(person('ada'))
    world.clock.advance(2 * defaultCatalogTiming.ttlMs)
    await world.toolNames(person('ada'))
    expect(listsOf(world, 'mail')).toBe(2)
  })

  it('is also one whose list is private by its own word, to whoever brings another credential', async () => {
    const said = { cacheScope: 'private', ttlMs: 60_000 }
    const keeping = async (request: UpstreamRequest) => {
      if (request.headers.get('authorization')?.reveal() === 'Bearer eve') throw new GatewayError('INTERNAL', 'broken')
      return { ...(await answer(request)), ...said }
    }
    const worldIn = (protocolVersion: string) =>
      worldOf({
        servers: [notes],
        upstreams: { notes: { answer: keeping, protocolVersion } },
        credentials: { forCaller: ownCredential },
      })
    const world = worldIn('2026-07-28')
    expect(await world.toolNames(callerOf())).toEqual(['notes-of-nobody'])
    expect(await world.toolNames(person('ada'))).toEqual(['notes-of-ada'])
    // Nor is it shown to one whose own list cannot be had.
    expect(await world.toolNames(person('eve'))).toEqual([])
    await expect(world.call(person('ada'), 'of-nobody')).rejects.toMatchObject({ code: 'TARGET_NOT_FOUND' })
    // In the former era the words mean nothing.
    const former = worldIn('2025-11-25')
    expect(await former.toolNames(person('ada'))).toEqual(['notes-of-nobody'])
  })

  it('is also one that refused the service’s credential', async () => {
    const choosy = async (request: UpstreamRequest) => {
      if (request.headers.size === 0) throw new GatewayError('UPSTREAM_CREDENTIAL_REJECTED', 'refused')
      return answer(request)
    }
    const world = worldOf({
      servers: [notes],
      upstreams: { notes: { answer: choosy } },
      credentials: { forCaller: ownCredential },
    })
    expect(await statusOf(world)).toEqual(['needs_auth'])
    expect(await world.toolNames(person('ada'))).toEqual(['notes-of-ada'])
  })

  it.each(['UPSTREAM_CREDENTIAL_REJECTED', 'UPSTREAM_SIGN_IN_REQUIRED'] as const)(
    'is also one that was listed before it answered %s: who has a credential sees its own list, the others the old one',
    async (code) => {
      let open = true
      const closing = async (request: UpstreamRequest) => {
        if (!open && request.headers.size === 0) throw new GatewayError(code, 'closed now')
        return answer(request)
      }
      const world = worldOf({
        servers: [notes],
        upstreams: { notes: { answer: closing } },
        credentials: { forCaller: ownCredential },
      })
      await world.catalog.start()
      open = false
      world.clock.advance(2 * defaultCatalogTiming.ttlMs)
      await settled()
      expect(await world.toolNames(person('ada'))).toEqual(['notes-of-ada'])
      expect(await world.call(person('ada'), 'of-ada')).toMatchObject({ user: 'ada' })
      await expect(world.call(person('ada'), 'of-nobody')).rejects.toMatchObject({ code: 'TARGET_NOT_FOUND' })

      const { items, outcomes } = await world.gateway.list(callerOf(), { kind: 'tools' })
      expect(items.map(({ publicName }) => publicName)).toEqual(['notes-of-nobody'])
      const message = expect.stringMatching(/closed now|credential of yours/)
      expect(outcomes).toMatchObject([{ status: 'stale', message }])
      await world.catalog.close()
    },
  )

  it('reports a credential that cannot be had, and lists the others', async () => {
    const forCaller = async () => {
      throw new GatewayError('UPSTREAM_TOKEN_UNAVAILABLE', 'No token for MCP server "mail".')
    }
    const world = worldOf({ servers: [mail, notes], upstreams: { notes: {} }, credentials: { forCaller } })
    const { outcomes } = await world.gateway.list(callerOf(), { kind: 'tools' })
    expect(outcomes).toMatchObject([
      { status: 'unreachable', message: 'No token for MCP server "mail".' },
      { status: 'ok' },
    ])
  })
})
