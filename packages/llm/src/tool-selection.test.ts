import type { ApprovalPolicy, JsonObject } from '@toolgate/core'
import { describe, expect, it } from 'vitest'
import { resolveApproval, selectTools } from './tool-selection.ts'

const entry = (more: JsonObject = {}) => ({
  type: 'mcp',
  server_label: 'litellm',
  server_url: 'litellm_proxy',
  ...more,
})
const select = (tools: JsonObject[], more: { serversHeader?: string; autoTools?: boolean } = {}) =>
  selectTools({ body: { model: 'm', tools }, ...more })

describe('which tools a request asks for', () => {
  it.each([
    ['litellm_proxy', undefined],
    ['litellm_proxy/', undefined],
    ['litellm_proxy/mcp', undefined],
    ['litellm_proxy/mcp/', undefined],
    ['litellm_proxy/mcp/github', ['github']],
    ['litellm_proxy/mcp/github, jira,', ['github', 'jira']],
  ])('%s names %j', (server_url, servers) => {
    expect(select([entry({ server_url })]).selections).toEqual([
      { origin: 'entry', servers, allowedTools: undefined, approval: undefined, headers: {} },
    ])
  })

  it('reads tools, approval and headers of an entry', () => {
    const headers = { 'x-mcp-github-authorization': 'Bearer x', 'X-MCP-Servers': 'github' }
    const lists = { never: { tool_names: ['a'] }, always: { tool_names: ['b'] } }
    expect(select([entry({ allowed_tools: ['a'], require_approval: lists, headers })]).selections).toEqual([
      {
        origin: 'entry',
        servers: ['github'],
        allowedTools: ['a'],
        approval: { never: new Set(['a']), always: new Set(['b']) },
        headers,
      },
    ])
  })

  it('leaves everything else of the request as it is', () => {
    const theirs = { type: 'mcp', server_label: 'x', server_url: 'https://example.test/mcp' }
    const own = { type: 'function', function: { name: 'f' }, odd: 1 }
    expect(select([own, entry(), theirs]).body).toEqual({ model: 'm', tools: [own, theirs] })
    expect(select([entry()]).body).toEqual({ model: 'm' })
    const body = { model: 'm', tools: [own] }
    expect(selectTools({ body })).toEqual({ selections: [], body })
  })

  it('takes the header, and scopes entries that name no server with it', () => {
    const serversHeader = 'a, b'
    expect(select([], { serversHeader }).selections).toEqual([{ origin: 'header', servers: ['a', 'b'], headers: {} }])
    expect(select([entry()], { serversHeader }).selections).toMatchObject([{ origin: 'entry', servers: ['a', 'b'] }])
    expect(select([entry({ server_url: 'litellm_proxy/mcp/c' })], { serversHeader }).selections).toMatchObject([
      { origin: 'entry', servers: ['c'] },
      { origin: 'header', servers: ['a', 'b'] },
    ])
  })

  it('adds the key’s own tools only where the request names none', () => {
    const autoTools = true
    expect(select([], { autoTools }).selections).toEqual([{ origin: 'auto', headers: {} }])
    expect(select([entry()], { autoTools }).selections).toMatchObject([{ origin: 'entry' }])
    expect(select([], { autoTools, serversHeader: 'a' }).selections).toMatchObject([{ origin: 'header' }])
    expect(select([]).selections).toEqual([])
  })

  it.each([
    [{ require_approval: 'sometimes' }, 'tools[0].require_approval'],
    [{ require_approval: { nevr: {} } }, 'tools[0].require_approval'],
    [{ allowed_tools: 'a' }, 'tools[0].allowed_tools'],
    [{ headers: { a: 1 } }, 'tools[0].headers.a'],
    [{ server_url: 'litellm_proxy/other/x' }, 'tools[0].server_url'],
  ])('refuses %j, naming the field', (odd, field) => {
    expect(() => select([entry(odd)])).toThrow(expect.objectContaining({ code: 'INVALID_REQUEST', details: { field } }))
  })
})

describe('approval of one tool', () => {
  const lists: ApprovalPolicy = { never: new Set(['srv-read', 'both']), always: new Set(['delete', 'both']) }

  it.each<[string, Parameters<typeof resolveApproval>, 'never' | 'always']>([
    ['entry without a word', [{ origin: 'entry' }, undefined, ['x']], 'always'],
    ['header without a word', [{ origin: 'header' }, undefined, ['x']], 'never'],
    ['auto without a word', [{ origin: 'auto' }, undefined, ['x']], 'never'],
    ['server speaks for the entry', [{ origin: 'entry' }, 'never', ['x']], 'never'],
    ['server speaks for the header', [{ origin: 'header' }, 'always', ['x']], 'always'],
    ['entry outranks server, either way', [{ origin: 'entry', approval: 'never' }, 'always', ['x']], 'never'],
    ['entry outranks server, other way', [{ origin: 'entry', approval: 'always' }, 'never', ['x']], 'always'],
    [
      'listed as never by any spelling',
      [{ origin: 'entry', approval: lists }, undefined, ['srv-read', 'read']],
      'never',
    ],
    ['listed as always', [{ origin: 'auto' }, lists, ['srv-delete', 'delete']], 'always'],
    ['listed nowhere', [{ origin: 'auto' }, lists, ['srv-x', 'x']], 'always'],
    ['listed twice', [{ origin: 'auto' }, lists, ['both']], 'always'],
  ])('%s', (_, [selection, server, spellings], expected) => {
    expect(resolveApproval(selection, server, spellings)).toBe(expected)
  })
})
