import { isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import type { calls } from '@toolgate/db'
import { completion, toolCall } from '@toolgate/testing/llm-server'
import { describedTool, offersTools } from '@toolgate/testing/mcp-catalog'
import { startFaultyMcpServers } from '@toolgate/testing/mcp-faulty'
import { freePort } from '@toolgate/testing/postgres-server'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { verifies } from '../verifies.ts'
import { type ChatWorld, mcp, offeredIn, reportOf, resultsIn, startChatWorld } from './chat-world.ts'

const github = [
  describedTool('create_issue', 'Creates an issue in a repository.', ['repository', 'title']),
  describedTool('list_issues', 'Lists the issues of a repository.', ['repository']),
  describedTool('mergePullRequest', 'Merges it.', ['number']),
  describedTool('delete_repository', 'Deletes a repository for good.', ['repository']),
]
const tracker = [
  describedTool('create_issue', 'Creates an issue in the tracker.', ['project']),
  describedTool('move', 'Puts a ticket into another column of its board.', ['ticket', 'column']),
]
const secret = [
  describedTool('rotate', 'Rotates the credentials of a vault. Issue a new key.', ['vault']),
  ...Array.from({ length: 20 }, (_, index) => describedTool(`issue_${index}`, 'Issues the repository a column.')),
]

const behind = new AsyncDisposableStack()
let world: ChatWorld
let key: string
let plainKey: string

beforeAll(async () => {
  const servers = behind.use(await startFaultyMcpServers())
  const host = (name: string, tools: readonly JsonObject[]) =>
    servers.host(name, offersTools(name, tools), 'everything')
  world = behind.use(
    await startChatWorld({
      env: { LITELLM_MCP_TOOL_LISTING_TIMEOUT: '1' },
      servers: {
        github: { url: host('github', github), disallowed_tools: ['delete_repository'] },
        shown: {
          url: host('shown', [describedTool('x1', 'Nobody knows.'), describedTool('x2', 'Nobody knows either.')]),
          tool_name_to_display_name: { x1: 'brew_coffee' },
          tool_name_to_description: { x2: 'Boils water for tea.' },
        },
        tracker: { url: host('tracker', tracker), require_approval: 'always' },
        secret: { url: host('secret', secret) },
        down: { url: `http://127.0.0.1:${await freePort()}/mcp` },
      },
    }),
  )
  const permission = { mcp_servers: ['github', 'tracker'], mcp_tool_search_enabled: true }
  key = await world.gateway.makeKey({ object_permission: permission })
  plainKey = await world.gateway.makeKey({ object_permission: { ...permission, mcp_tool_search_enabled: false } })
})
afterAll(() => behind.disposeAsync())

/** The gateway's results in a request to the model, as the texts that they are. */
const modelSees = (request: JsonObject | undefined) => resultsIn(request).map((result) => JSON.stringify(result))

const both = ['mcp_tool_search', 'mcp_tool_call']

function namesIn(value: unknown): unknown[] {
  return Array.isArray(value) ? value.map((tool: unknown) => (isJsonObject(tool) ? tool['name'] : tool)) : []
}

function textsOf({ content }: Record<string, unknown>): string[] {
  const parts: readonly unknown[] = Array.isArray(content) ? content : []
  return parts.flatMap((part) => (isJsonObject(part) && typeof part['text'] === 'string' ? [part['text']] : []))
}

const call = (name: string, given: JsonValue, options: { key?: string; status?: number; path?: string } = {}) => {
  const { path = '/mcp-rest/tools/call', ...rest } = options
  return world.gateway.json(path, { key, ...rest, body: { name, arguments: given } })
}

async function found(query: string, options: { key?: string; top_k?: number } = {}): Promise<unknown[]> {
  const { key: by = key, ...rest } = options
  const [text = ''] = textsOf(await call('mcp_tool_search', { query, ...rest }, { key: by }))
  return namesIn(JSON.parse(text))
}

describe('a key with tool search', () => {
  verifies('search:large-catalogs', 'lists the two tools and no other, whatever server it names', async () => {
    for (const path of [
      '/mcp-rest/tools/list',
      '/mcp-rest/tools/list?server_id=github',
      '/mcp/tools/list',
      '/v1/mcp/tools',
    ]) {
      expect(namesIn((await world.gateway.json(path, { key }))['tools'])).toEqual(both)
    }
    await world.gateway.json('/mcp-rest/tools/list?server_id=secret', { key, status: 403 })
  })

  verifies(
    'search:large-catalogs',
    'finds tools by name, spelling aside, by title, description and argument',
    async () => {
      expect((await found('merge a pull request'))[0]).toBe('github-mergePullRequest')
      expect((await found('creating issues'))[0]).toMatch(/create_issue$/)
      expect((await found('repository issues list'))[0]).toBe('github-list_issues')
      expect((await found('which column?'))[0]).toBe('tracker-move')
      expect(await found('tracker', { top_k: 1 })).toHaveLength(1)
      expect(await found('nothing like zeppelins')).toEqual([])
      expect(await found('???')).toEqual([])
    },
  )

  verifies('search:large-catalogs', 'gets whole definitions under the names that it may call them by', async () => {
    const [text = ''] = textsOf(await call('mcp_tool_search', { query: 'move ticket', top_k: 1 }))
    expect(JSON.parse(text)).toEqual([{ ...tracker[1], name: 'tracker-move' }])
    const answered = await call('mcp_tool_call', { tool_name: 'tracker-move', arguments: { ticket: '7' } })
    expect(JSON.parse(textsOf(answered)[0] ?? '')).toEqual({ server: 'tracker', name: 'move', given: { ticket: '7' } })
  })

  verifies('search:large-catalogs', 'finds tools by the names and descriptions that operators gave them', async () => {
    const wide = await world.gateway.makeKey({
      object_permission: { mcp_servers: ['shown'], mcp_tool_search_enabled: true },
    })
    expect(await found('brewing coffee', { key: wide })).toEqual(['brew_coffee'])
    expect(await found('boil tea water', { key: wide })).toEqual(['shown-x2'])
    expect(await found('nobody knows either', { key: wide })).toEqual(['brew_coffee'])
  })

  verifies('search:large-catalogs', 'finds and runs nothing that its lists would not show', async () => {
    const permitted = new Set(namesIn((await world.gateway.json('/mcp/tools/list', { key: plainKey }))['tools']))
    for (const query of ['rotate credentials vault', 'delete repository', 'issue', 'repository column']) {
      for (const name of await found(query, { top_k: 50 })) expect(permitted).toContain(name)
    }
    for (const name of ['secret-rotate', 'github-delete_repository', 'no-such', 'mcp_tool_search', 'mcp_tool_call']) {
      const refused = await call('mcp_tool_call', { tool_name: name }, { status: 403 })
      expect(refused).toEqual({ detail: { error: 'access_denied', message: `Unknown tool: ${name}` } })
    }
  })

  verifies('search:large-catalogs', 'is told in a result what is wrong with its arguments', async () => {
    const wrong: [string, JsonValue][] = [
      ['mcp_tool_search', {}],
      ['mcp_tool_search', { query: ' ' }],
      ['mcp_tool_search', { query: 'x'.repeat(1_001) }],
      ['mcp_tool_search', { query: 'issue', top_k: 0 }],
      ['mcp_tool_search', { query: 'issue', top_k: 'many' }],
      ['mcp_tool_call', {}],
      ['mcp_tool_call', { tool_name: 'tracker-move', arguments: ['ticket'] }],
    ]
    for (const [name, given] of wrong) expect(await call(name, given)).toMatchObject({ isError: true })
  })

  verifies('search:large-catalogs', 'narrows a search and a call to the server that it names', async () => {
    const at = (server: string, body: object, status = 200) =>
      world.gateway.json('/mcp-rest/tools/call', { key, status, body: { server_id: server, ...body } })
    const search = { name: 'mcp_tool_search', arguments: { query: 'create issue', top_k: 50 } }
    expect(namesIn(JSON.parse(textsOf(await at('tracker', search))[0] ?? ''))).toEqual(['tracker-create_issue'])
    await at('secret', search, 403)
    const run = { name: 'mcp_tool_call', arguments: { tool_name: 'github-list_issues' } }
    expect(await at('tracker', run, 403)).toMatchObject({ detail: { error: 'tool_server_mismatch' } })
  })

  verifies('search:large-catalogs', 'leaves one row per search, and of a call the row of the tool it ran', async () => {
    await call('mcp_tool_search', { query: 'ledger' })
    await call('mcp_tool_call', { tool_name: 'github-list_issues' })
    const about = ({ publicName, targetName, serverName, kind, outcome }: typeof calls.$inferSelect) => ({
      publicName,
      targetName,
      serverName,
      kind,
      outcome,
    })
    const ran = await world.rows(1, ({ publicName }) => publicName === 'github-list_issues')
    expect(ran.map(about)).toContainEqual({
      publicName: 'github-list_issues',
      targetName: 'list_issues',
      serverName: 'github',
      kind: 'tool_call',
      outcome: 'ok',
    })
    const searched = await world.rows(1, ({ publicName }) => publicName === 'mcp_tool_search')
    expect(searched.map(about)).toContainEqual(expect.objectContaining({ kind: 'tool_call', outcome: 'ok' }))
    expect((await world.rows(1, () => true)).map(({ publicName }) => publicName)).not.toContain('mcp_tool_call')
  })

  verifies('list:outcome-per-server', 'hears which servers could not be searched', async () => {
    const wide = await world.gateway.makeKey({
      object_permission: { mcp_servers: ['github', 'down'], mcp_tool_search_enabled: true },
    })
    const answer = await call('mcp_tool_search', { query: 'issue' }, { key: wide })
    expect(textsOf(answer)[1]).toMatch(/^Could not be searched: down: /)
    expect(answer['_meta']).toMatchObject({ 'toolgate/outcomes': [{ server_name: 'down', status: 'unreachable' }] })
  })
})

describe('a key without tool search', () => {
  verifies('search:large-catalogs', 'is refused both tools', async () => {
    for (const name of both) {
      const refused = await call(name, { query: 'issue' }, { key: plainKey, status: 403 })
      const message = `Tool ${name} requires mcp_tool_search_enabled on the key`
      expect(refused).toEqual({ detail: { error: 'forbidden', message } })
    }
    expect(namesIn((await world.gateway.json('/mcp/tools/list', { key: plainKey }))['tools'])).not.toContain(both[0])
  })
})

describe('the endpoint /mcp/proxy', () => {
  const rpc = async (method: string, params: object = {}, path = '/mcp/proxy') => {
    const body = { jsonrpc: '2.0', id: 1, method, params }
    const headers = { accept: 'application/json, text/event-stream' }
    return world.gateway.json(path, { key: plainKey, headers, body })
  }

  verifies('search:large-catalogs', 'gives every key tool search and nothing beside it', async () => {
    const client = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } }
    expect(await rpc('initialize', client)).toMatchObject({ result: { capabilities: { tools: expect.anything() } } })
    const { result } = await rpc('tools/list', {}, '/mcp/proxy/')
    expect(namesIn(isJsonObject(result) ? result['tools'] : undefined)).toEqual(both)
    const search = await rpc('tools/call', { name: 'mcp_tool_search', arguments: { query: 'move ticket', top_k: 1 } })
    expect(JSON.stringify(search)).toContain('tracker-move')
    const run = { name: 'mcp_tool_call', arguments: { tool_name: 'tracker-move', arguments: { ticket: '7' } } }
    expect(JSON.stringify(await rpc('tools/call', run))).toContain('ticket')
    const message = 'Tool tracker-move is unavailable on /mcp/proxy'
    expect(await rpc('tools/call', { name: 'tracker-move' })).toMatchObject({
      result: { isError: true, content: [{ type: 'text', text: message }] },
    })
  })

  verifies('search:large-catalogs', 'has no prompts and no resources', async () => {
    for (const method of [
      'prompts/list',
      'prompts/get',
      'resources/list',
      'resources/templates/list',
      'resources/read',
    ]) {
      const refused = await rpc(method, { name: 'any', uri: 'any:thing' })
      expect(refused).toMatchObject({ error: { code: -32_601, message: 'Operation unavailable on /mcp/proxy' } })
    }
  })

  verifies('search:large-catalogs', 'is what a key with tool search sees at every MCP endpoint', async () => {
    for (const path of ['/mcp', '/mcp/github', '/github,tracker/mcp']) {
      const body = { jsonrpc: '2.0', id: 1, method: 'tools/list' }
      const { result } = await world.gateway.json(path, { key, body })
      expect(namesIn(isJsonObject(result) ? result['tools'] : undefined)).toEqual(both)
    }
    const body = {
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'mcp_tool_search', arguments: { query: 'create issue' } },
    }
    const narrowed = JSON.stringify(await world.gateway.json('/mcp/tracker', { key, body }))
    expect(narrowed).toContain('in the tracker')
    expect(narrowed).not.toContain('in a repository')
  })
})

describe('what a search finds', () => {
  verifies('search:no-trace-of-others', 'is in the order it would have without the tools of others', async () => {
    const alone = behind.use(await startFaultyMcpServers())
    const permission = { mcp_servers: ['github', 'tracker'], mcp_tool_search_enabled: true }
    const servers = {
      github: {
        url: alone.host('github', offersTools('github', github), 'everything'),
        disallowed_tools: ['delete_repository'],
      },
      tracker: { url: alone.host('tracker', offersTools('tracker', tracker), 'everything') },
    }
    const other = behind.use(await startChatWorld({ servers }))
    const otherKey = await other.gateway.makeKey({ object_permission: permission })
    for (const query of [
      'issue repository',
      'repository column',
      'column issue',
      'create ticket board',
      'delete issue',
    ]) {
      const body = { name: 'mcp_tool_search', arguments: { query, top_k: 50 } }
      const here = await world.gateway.json('/mcp-rest/tools/call', { key, body })
      expect(here).toEqual(await other.gateway.json('/mcp-rest/tools/call', { key: otherKey, body }))
    }
  })
})

describe('a chat completion of a key with tool search', () => {
  verifies('search:large-catalogs', 'offers the model the two tools and runs them', async () => {
    world.play(
      completion({ tool_calls: [toolCall('mcp_tool_search', { query: 'merge pull request', top_k: 1 })] }),
      completion({
        tool_calls: [toolCall('mcp_tool_call', { tool_name: 'github-mergePullRequest', arguments: { number: '1' } })],
      }),
      completion({ content: 'merged' }),
    )
    const answer = await world.complete({}, { key })
    expect(answer.choices[0]?.message.content).toBe('merged')
    expect(offeredIn(world.asked[0])).toEqual(both)
    const [search, run] = resultsIn(world.asked[2])
    expect(search).toContain('github-mergePullRequest')
    expect(run).toBe(JSON.stringify({ server: 'github', name: 'mergePullRequest', given: { number: '1' } }))
    expect(reportOf(answer.choices[0]?.message)).toHaveProperty('mcp_call_results')
  })

  verifies('search:large-catalogs', 'searches and runs within the servers that its entry names', async () => {
    world.play(
      completion({
        tool_calls: [
          toolCall('mcp_tool_search', { query: 'issue', top_k: 50 }, 'call_search'),
          toolCall('mcp_tool_call', { tool_name: 'github-list_issues' }, 'call_run'),
        ],
      }),
      completion({ content: 'done' }),
    )
    await world.complete({ tools: mcp({ server_url: 'litellm_proxy/mcp/tracker' }) }, { key })
    const [search, run] = resultsIn(world.asked[1])
    expect(search).toBe(JSON.stringify([{ ...tracker[0], name: 'tracker-create_issue' }]))
    expect(run).toContain('Unknown tool')
  })

  verifies('chat:approval-per-call', 'runs no tool that needs approval, also where it is found by search', async () => {
    const run = toolCall('mcp_tool_call', { tool_name: 'tracker-move' })
    for (const [entry, ran] of [
      [{ require_approval: { always: { tool_names: ['move'] } } }, false],
      [{ require_approval: { never: { tool_names: ['tracker-move'] } } }, true],
      [{ require_approval: 'never' }, true],
    ] as const) {
      world.play(completion({ tool_calls: [run] }), completion({ content: 'done' }))
      await world.complete({ tools: mcp(entry) }, { key })
      expect(modelSees(world.asked[1])).toEqual([expect.stringContaining(ran ? 'given' : 'needs approval')])
    }
    world.play(completion({ tool_calls: [run] }), completion({ content: 'done' }))
    await world.complete({ tools: undefined }, { key, headers: { 'x-mcp-servers': 'tracker' } })
    expect(resultsIn(world.asked[1])[0]).toContain('needs approval')
  })

  verifies('chat:named-tools-resolve', 'offers the very tools that its entry names', async () => {
    world.play(completion({ content: 'done' }))
    await world.complete({ tools: mcp({ allowed_tools: ['github-list_issues'] }) }, { key })
    expect(offeredIn(world.asked[0])).toEqual(['github-list_issues'])
  })
})
