import { type RawMcpServer, resultFor, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'

/** A server with tools of these names, described by their name. */
function offering(...names: string[]): Promise<RawMcpServer> {
  const tools = names.map((name) => ({ name, description: `own words of ${name}`, inputSchema: { type: 'object' } }))
  return startRawMcpServer((request) =>
    request.message['method'] === 'tools/list' ? { body: resultFor(request, { tools }) } : undefined,
  )
}

const listed = z.object({
  tools: z.array(z.looseObject({ name: z.string(), description: z.string().optional() })),
  _meta: z.object({
    'toolgate/withheld': z.array(z.object({ server: z.string(), name: z.string(), reason: z.string() })),
  }),
})

let github: RawMcpServer
let tracker: RawMcpServer
let gateway: Booted
beforeAll(async () => {
  github = await offering('create_issue', 'list_issues', 'delete_repo', 'search')
  tracker = await offering('find', 'search', 'open')
  gateway = await boot({
    config: {
      mcp_servers: {
        github: {
          url: github.url,
          server_id: 'id-github',
          alias: 'gh',
          tool_name_to_display_name: { create_issue: 'report_a_bug', delete_repo: 'wipe' },
          tool_name_to_description: { create_issue: 'Tells the team.' },
          disallowed_tools: ['wipe'],
          allowed_params: { 'gh-create_issue': ['title'] },
        },
        // Its first display name is another tool of its own, its second one another server's prefixed tool.
        tracker: { url: tracker.url, tool_name_to_display_name: { find: 'open', search: 'gh-search' } },
      },
    },
  })
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  for (const server of [github, tracker]) await server[Symbol.asyncDispose]()
})

const list = async (path: string, key = gateway.masterKey) => listed.parse(await gateway.json(path, { key }))
const call = (body: object, status = 200) =>
  gateway.json('server_id' in body ? '/mcp-rest/tools/call' : '/mcp/tools/call', { body, status })
const lastCall = (server: RawMcpServer) => server.received('tools/call').at(-1)?.message['params']

describe('a display name', () => {
  verifies(
    'names:overrides',
    'replaces the whole prefixed name in lists, and calls the tool at every door',
    async () => {
      for (const path of ['/mcp/tools/list', '/v1/mcp/tools']) {
        const { tools } = await list(path)
        expect(tools).toContainEqual(expect.objectContaining({ name: 'report_a_bug', description: 'Tells the team.' }))
        expect(tools.map(({ name }) => name)).not.toContain('gh-create_issue')
      }
      const names = [{ name: 'report_a_bug' }, { server_id: 'github', name: 'report_a_bug' }]
      const known = ['gh-create_issue', 'github-create_issue', 'id-github-create_issue', 'create_issue']
      for (const body of [...names, ...known.map((name) => ({ name })), { server_id: 'gh', name: 'create_issue' }]) {
        await call({ ...body, arguments: { title: 'x' } })
        expect(lastCall(github)).toEqual({ name: 'create_issue', arguments: { title: 'x' } })
      }
    },
  )

  verifies('names:overrides', 'is the name at the MCP door, and beside its server one that calls', async () => {
    const rpc = async (path: string, method: string, params = {}) => {
      const { result } = await gateway.json(path, { body: { jsonrpc: '2.0', id: 1, method, params } })
      return result
    }
    const shown = { name: 'report_a_bug', description: 'Tells the team.' }
    const all = listed.parse(await rpc('/mcp', 'tools/list'))
    expect(all.tools).toContainEqual(expect.objectContaining(shown))
    expect(all.tools.map(({ name }) => name)).not.toContain('gh-create_issue')
    const own = listed.parse(await rpc('/mcp/gh', 'tools/list'))
    expect(own.tools).toContainEqual(expect.objectContaining({ ...shown, name: 'create_issue' }))
    for (const [path, name] of [
      ['/mcp', 'report_a_bug'],
      ['/mcp', 'gh-create_issue'],
      ['/mcp/gh', 'create_issue'],
      ['/mcp/gh', 'report_a_bug'],
    ] as const) {
      const given = { title: `${path} ${name}` }
      await rpc(path, 'tools/call', { name, arguments: given })
      expect(lastCall(github)).toEqual({ name: 'create_issue', arguments: given })
    }
  })

  verifies('names:overrides', 'leaves lists beside a server their own names', async () => {
    const { tools } = await list('/mcp-rest/tools/list?server_id=github')
    expect(tools).toContainEqual(expect.objectContaining({ name: 'create_issue', description: 'Tells the team.' }))
    expect(tools).toContainEqual(
      expect.objectContaining({ name: 'list_issues', description: 'own words of list_issues' }),
    )
  })

  verifies(
    'names:overrides',
    'that means another tool as well withholds its tool and never that other one',
    async () => {
      const { tools, _meta } = await list('/mcp/tools/list')
      const names = tools.map(({ name }) => name)
      expect(names).toContain('tracker-open')
      expect(names).not.toContain('open')
      expect(names).not.toContain('gh-search')
      expect(_meta['toolgate/withheld'].map(({ server, name }) => `${server}/${name}`)).toEqual([
        'tracker/find',
        'tracker/search',
      ])
      for (const { reason } of _meta['toolgate/withheld']) expect(reason).toContain('display name')
      for (const name of ['open', 'gh-search']) {
        expect(await call({ name }, 400)).toMatchObject({ detail: { error: 'ambiguous_tool_name' } })
      }
      // Each goes on under the names that mean it alone.
      for (const name of names.filter((one) => one.endsWith('search'))) {
        await call({ name })
        expect(lastCall(github)).toMatchObject({ name: 'search' })
      }
      await call({ name: 'tracker-search' })
      expect(lastCall(tracker)).toMatchObject({ name: 'search' })
      await call({ server_id: 'tracker', name: 'open' })
      expect(lastCall(tracker)).toMatchObject({ name: 'open' })
    },
  )

  verifies('access:tool-grants', 'is a name that denies, and bounds arguments as any other spelling does', async () => {
    const { tools } = await list('/mcp/tools/list')
    expect(tools.map(({ name }) => name)).not.toContain('wipe')
    for (const body of [{ name: 'wipe' }, { name: 'gh-delete_repo' }, { server_id: 'github', name: 'delete_repo' }]) {
      expect(await call(body, 403)).toMatchObject({ detail: { error: 'access_denied' } })
    }
    for (const body of [{ name: 'report_a_bug' }, { server_id: 'github', name: 'create_issue' }]) {
      expect(await call({ ...body, arguments: { title: 'x', assignee: 'y' } }, 403)).toMatchObject({
        detail: { error: 'parameters_not_allowed' },
      })
    }
    const key = await gateway.makeKey({
      object_permission: { mcp_servers: ['github'], blocked_tools: ['report_a_bug'] },
    })
    const { tools: left } = await list('/mcp/tools/list', key)
    expect(left.map(({ name }) => name)).toEqual(['gh-list_issues', 'gh-search'])
  })
})

describe('a setting that cannot hold', () => {
  it.each([
    ['a name with a space', { create_issue: 'report a bug' }],
    ['an empty name', { create_issue: '' }],
    ['one name for two tools', { create_issue: 'same', list_issues: 'same' }],
  ])('is refused by the API: %s', async (_, tool_name_to_display_name) => {
    const body = { server_name: 'stored', url: 'https://mcp.example.com', tool_name_to_display_name }
    const answer = await gateway.json('/v1/mcp/server', { body, status: 422 })
    expect(JSON.stringify(answer)).toContain('tool_name_to_display_name')
  })

  it('leaves out the server of the file that has it', async () => {
    await using other = await boot({
      config: {
        mcp_servers: {
          bad: { url: github.url, tool_name_to_display_name: { search: 'a b' } },
          good: { url: tracker.url },
        },
      },
    })
    const { tools } = listed.parse(await other.json('/mcp/tools/list'))
    expect(tools.map(({ name }) => name)).toEqual(['good-find', 'good-search', 'good-open'])
  })
})

verifies(
  'names:overrides',
  'LITELLM_USE_SHORT_MCP_TOOL_PREFIX prints short prefixes and understands the others',
  async () => {
    await using short = await boot({
      config: { mcp_servers: { github: { url: github.url, server_id: 'test', alias: 'gh' } } },
      env: { LITELLM_USE_SHORT_MCP_TOOL_PREFIX: 'yes' },
    })
    const { tools } = listed.parse(await short.json('/mcp/tools/list'))
    expect(tools.map(({ name }) => name)).toContain('NaN-search')
    for (const name of ['NaN-search', 'gh-search', 'github-search', 'test-search']) {
      await short.json('/mcp/tools/call', { body: { name } })
      expect(lastCall(github)).toMatchObject({ name: 'search' })
    }
  },
)
