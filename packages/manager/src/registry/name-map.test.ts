import { type Caller, GatewayError, type JsonObject, noGrants } from '@toolgate/core'
import { callerOf, principalOf } from '@toolgate/testing/callers'
import { threadTimeOf } from '@toolgate/testing/thread-time'
import { describe, expect, it, vi } from 'vitest'
import { serverOf, targetOf, toolsNamed, type World, worldOf } from '../fake-world.fixture.ts'

const offering = (...names: string[]) => ({ lists: { tools: toolsNamed(...names) } })

/** `server/tool` that a call reached. */
async function reached(world: World, name: string, server?: string): Promise<string> {
  const caller = callerOf()
  return targetOf(await world.call(caller, name, server === undefined ? {} : { server }))
}

const codeOf = (call: Promise<unknown>) =>
  call.then(
    () => 'ok',
    (error: unknown) => (error instanceof GatewayError ? error.code : error),
  )

describe('a name without a server', () => {
  it('is read by alias, name and id, and without any list', async () => {
    const git = serverOf({ id: 'id-1', name: 'git hub', alias: 'gh' })
    const world = worldOf({ servers: [git], upstreams: { 'id-1': offering('log') } })
    for (const name of ['gh-log', 'git_hub-log', 'id-1-log']) expect(await reached(world, name)).toBe('id-1/log')
    expect(world.pool.sent.map(({ method }) => method)).toEqual(['tools/call', 'tools/call', 'tools/call'])
  })

  it('takes the longest prefix while nothing is listed, and what is listed afterwards', async () => {
    const servers = [serverOf({ id: 'a' }), serverOf({ id: 'a-b' })]
    const upstreams = { a: offering('b-c'), 'a-b': offering('d') }
    const world = worldOf({ servers, upstreams })
    expect(await reached(world, 'a-b-c')).toBe('a-b/c')
    await world.catalog.start()
    expect(await reached(world, 'a-b-c')).toBe('a/b-c')
    expect(await reached(world, 'a-b-d')).toBe('a-b/d')
    await world.catalog.close()
  })

  it('is refused where two servers list what it reads as, with names that are not ambiguous', async () => {
    const servers = [serverOf({ id: 'id-1', name: 'a' }), serverOf({ id: 'id-2', name: 'a-b' })]
    const world = worldOf({ servers, upstreams: { 'id-1': offering('b-c'), 'id-2': offering('c') } })
    expect(await world.toolNames(callerOf())).toEqual(['id-1-b-c', 'id-2-c'])
    await expect(world.call(callerOf(), 'a-b-c')).rejects.toMatchObject({
      code: 'TARGET_AMBIGUOUS',
      details: { candidates: ['id-2-c', 'id-1-b-c'] },
    })
    expect(await reached(world, 'id-1-b-c')).toBe('id-1/b-c')
  })

  it('may be bare where exactly one permitted tool has it', async () => {
    const servers = [serverOf({ id: 'a' }), serverOf({ id: 'b' })]
    const world = worldOf({ servers, upstreams: { a: offering('x', 'same'), b: offering('y', 'same') } })
    expect(await reached(world, 'y')).toBe('b/y')
    await expect(world.call(callerOf(), 'same')).rejects.toMatchObject({
      code: 'TARGET_AMBIGUOUS',
      message: '"same" means more than one thing. Use one of: a-same, b-same',
    })
    const onlyB = callerOf({ principal: principalOf({ grants: { ...noGrants, servers: new Set(['b']) } }) })
    expect(await world.call(onlyB, 'same')).toMatchObject({ server: 'b' })
  })

  it('that nobody is known to have asks each unlisted server once, also for many callers at a time', async () => {
    const servers = [serverOf({ id: 'a' }), serverOf({ id: 'b' })]
    const world = worldOf({ servers, upstreams: { a: offering('x'), b: offering('y') } })
    expect(await Promise.all([reached(world, 'x'), reached(world, 'y'), reached(world, 'x')])).toEqual([
      'a/x',
      'b/y',
      'a/x',
    ])
    expect(await codeOf(world.call(callerOf(), 'z'))).toBe('TARGET_NOT_FOUND')
    expect(world.pool.sent.filter(({ method }) => method === 'tools/list')).toHaveLength(2)
  })

  it('waits a moment for others where one server has it, and not for one that hangs', async () => {
    const servers = [serverOf({ id: 'hung' }), serverOf({ id: 'b' })]
    const answer = () => new Promise<JsonObject>(() => {})
    const world = worldOf({ servers, upstreams: { hung: { answer }, b: offering('y') } })
    const call = reached(world, 'y')
    await vi.waitFor(() => expect(world.pool.sent).toHaveLength(2))
    world.clock.advance(700)
    expect(await call).toBe('b/y')
  })

  it('is a prompt or a resource by its own lists, and a URI also by a template', async () => {
    const lists = {
      prompts: [{ name: 'greet' }],
      resources: [{ uri: 'note://one' }],
      resourceTemplates: [{ uriTemplate: 'note://by-day/{day}' }],
    }
    const world = worldOf({
      servers: [serverOf({ id: 'a' }), serverOf({ id: 'b' })],
      upstreams: { a: { lists }, b: {} },
    })
    const send = (method: string, params: JsonObject) => world.gateway.send(callerOf(), { method, params })
    expect(await send('prompts/get', { name: 'a-greet' })).toMatchObject({ params: { name: 'greet' } })
    expect(await send('prompts/get', { name: 'greet' })).toMatchObject({ server: 'a' })
    for (const uri of ['note://one', 'note://by-day/monday']) {
      expect(await send('resources/read', { uri })).toMatchObject({ server: 'a', params: { uri } })
      expect(await codeOf(send('resources/read', { uri: `a-${uri}` }))).toBe('TARGET_NOT_FOUND')
    }
    expect(await codeOf(send('resources/read', { uri: 'note://two' }))).toBe('TARGET_NOT_FOUND')
    expect(await codeOf(send('prompts/get', { name: 'note://one' }))).toBe('TARGET_NOT_FOUND')
  })
})

describe('a URI that is compared with templates', () => {
  it('costs little, whatever a server calls a template', async () => {
    const hostile = Array.from({ length: 3 }, (_, at) => ({ uriTemplate: `x${'{+a}'.repeat(5)}/${at}` }))
    const lists = { resourceTemplates: [...hostile, { uriTemplate: `x${'{a*}'.repeat(5)}/` }] }
    const world = worldOf({ servers: [serverOf({ id: 'a' })], upstreams: { a: { lists } } })
    await world.gateway.list(callerOf(), { kind: 'resourceTemplates' })
    const uri = 'x'.repeat(200)
    const ms = await threadTimeOf(async () => {
      const reading = world.gateway.send(callerOf(), { method: 'resources/read', params: { uri } })
      expect(await codeOf(reading)).toBe('TARGET_NOT_FOUND')
    })
    expect(ms).toBeLessThan(1_000)
  })
})

describe('a name with a server', () => {
  it('may be prefixed or bare, and the server may be named by id, name or alias', async () => {
    const git = serverOf({ id: 'id-1', name: 'github', alias: 'gh' })
    const world = worldOf({ servers: [git], upstreams: { 'id-1': offering('log', 'git-log') } })
    for (const server of ['id-1', 'github', 'gh']) {
      expect(await reached(world, 'log', server)).toBe('id-1/log')
      expect(await reached(world, 'gh-log', server)).toBe('id-1/log')
      expect(await reached(world, 'git-log', server)).toBe('id-1/git-log')
    }
  })

  it('is the server’s own tool of exactly that name, whatever it would mean with the prefix off', async () => {
    const world = worldOf({ servers: [serverOf({ id: 'git' })], upstreams: { git: offering('log', 'git-log') } })
    expect(await reached(world, 'git-log', 'git')).toBe('git/git-log')
    expect(await reached(world, 'git-git-log', 'git')).toBe('git/git-log')
    expect(await reached(world, 'log', 'git')).toBe('git/log')
  })

  it('that is nobody’s own and reads as two tools is refused, with own names to use', async () => {
    const git = serverOf({ id: 'git-hub', alias: 'git' })
    const world = worldOf({ servers: [git], upstreams: { 'git-hub': offering('log', 'hub-log') } })
    const refusal = await world.call(callerOf(), 'git-hub-log', { server: 'git' }).catch((error: unknown) => error)
    expect(refusal).toMatchObject({ code: 'TARGET_AMBIGUOUS', details: { candidates: ['log', 'hub-log'] } })
    for (const name of ['log', 'hub-log']) expect(await reached(world, name, 'git')).toBe(`git-hub/${name}`)
  })

  it('that is another permitted server’s is a mismatch, and unknown where that one is not permitted', async () => {
    const servers = [serverOf({ id: 'a' }), serverOf({ id: 'b' })]
    const world = worldOf({ servers, upstreams: { a: offering('x'), b: offering('y') } })
    await world.catalog.start()
    await world.catalog.close()
    await expect(world.call(callerOf(), 'a-x', { server: 'b' })).rejects.toMatchObject({
      code: 'TOOL_SERVER_MISMATCH',
      message: "Tool 'a-x' belongs to MCP server 'a' but request specified server_id for 'b'.",
    })
    const onlyB = callerOf({ principal: principalOf({ grants: { ...noGrants, servers: new Set(['b']) } }) })
    await expect(world.call(onlyB, 'a-x', { server: 'b' })).rejects.toMatchObject({
      code: 'TARGET_NOT_FOUND',
      message: 'Unknown tool: a-x',
    })
  })

  it('that begins like another server’s prefix but is its own is its own', async () => {
    const servers = [serverOf({ id: 'a' }), serverOf({ id: 'b' })]
    const world = worldOf({ servers, upstreams: { a: offering('x'), b: offering('a-x') } })
    expect(await reached(world, 'a-x', 'b')).toBe('b/a-x')
  })

  it('goes to a server that was never listed as it is', async () => {
    const world = worldOf({ servers: [serverOf({ id: 'a' })], upstreams: { a: offering() } })
    expect(await reached(world, 'anything', 'a')).toBe('a/anything')
  })
})

describe('naming rules', () => {
  const servers = [serverOf({ id: 'a' }), serverOf({ id: 'b', prefixed: false })]
  const upstreams = { a: offering('x', 'same'), b: offering('y', 'same') }
  const names = (mode: 'always' | 'when_ambiguous' | 'never', separator = '-') =>
    worldOf({ servers, upstreams, rules: { mode, separator } }).toolNames(callerOf())

  it('prefix always, but for servers without prefix, and there only where it is ambiguous', async () => {
    expect(await names('always')).toEqual(['a-x', 'a-same', 'y', 'b-same'])
    expect(await names('always', '__')).toEqual(['a__x', 'a__same', 'y', 'b__same'])
  })

  it('prefix when ambiguous', async () => {
    expect(await names('when_ambiguous')).toEqual(['x', 'a-same', 'y', 'b-same'])
  })

  it('never prefix: what two servers share is withheld with the reason', async () => {
    const world = worldOf({ servers, upstreams, rules: { mode: 'never', separator: '-' } })
    const { items, withheld } = await world.gateway.list(callerOf(), { kind: 'tools' })
    expect(items.map(({ publicName }) => publicName)).toEqual(['x', 'y'])
    expect(withheld.map(({ server, name }) => [server.id, name])).toEqual([
      ['a', 'same'],
      ['b', 'same'],
    ])
  })
})

describe('a URI', () => {
  const resources = (...uris: string[]) => ({ lists: { resources: uris.map((uri) => ({ uri })) } })
  const servers = [serverOf({ id: 'a' }), serverOf({ id: 'b' })]
  const upstreams = { a: resources('n://1', 'n://2'), b: resources('n://2', 'n://3') }
  const read = (
    world: World,
    uri: string,
    { server, caller = callerOf() }: { server?: string; caller?: Caller } = {},
  ) => world.gateway.send(caller, { server, method: 'resources/read', params: { uri } })

  it.each(['always', 'when_ambiguous', 'never'] as const)(
    'is never rewritten, and withheld with the reason where two servers have it: %s',
    async (mode) => {
      const world = worldOf({ servers, upstreams, rules: { mode, separator: '-' } })
      const { items, withheld } = await world.gateway.list(callerOf(), { kind: 'resources' })
      expect(items.map(({ publicName }) => publicName)).toEqual(['n://1', 'n://3'])
      expect(withheld).toMatchObject([
        { server: { id: 'a' }, name: 'n://2', reason: expect.stringContaining('URI') },
        { server: { id: 'b' }, name: 'n://2', reason: expect.stringContaining('URI') },
      ])
    },
  )

  it('of two servers is refused naming them, and read where the request names one', async () => {
    const world = worldOf({ servers, upstreams })
    await world.gateway.list(callerOf(), { kind: 'resources' })
    await world.gateway.list(callerOf(), { kind: 'resourceTemplates' })
    await expect(read(world, 'n://2')).rejects.toMatchObject({
      code: 'TARGET_AMBIGUOUS',
      message: expect.stringMatching(/a, b$/),
      details: { servers: ['a', 'b'] },
    })
    for (const server of ['a', 'b']) expect(await read(world, 'n://2', { server })).toMatchObject({ server })
  })

  it('is not made ambiguous by a server that the caller may not use', async () => {
    const world = worldOf({ servers, upstreams })
    const caller = callerOf({ principal: principalOf({ grants: { ...noGrants, servers: new Set(['b']) } }) })
    expect(await read(world, 'n://2', { caller })).toMatchObject({ server: 'b' })
  })
})
