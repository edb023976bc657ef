import { describe, expect, it } from 'vitest'
import { documentedRoutes } from './openapi/document.ts'
import { isPublicPath } from './public-paths.ts'
import { allowsRoute } from './route-access.ts'

const paths = [...new Set(documentedRoutes.map((route) => route.split(' ')[1] ?? ''))].filter(
  (path) => !isPublicPath(path),
)
const allowedBy = (...routes: string[]) => paths.filter((path) => allowsRoute(new Set(routes), path)).toSorted()

describe('the routes of a key', () => {
  it('are all of them where none is listed', () => {
    expect(allowedBy()).toEqual(paths.toSorted())
  })

  it('are the model and tool routes for llm_api_routes, and no management', () => {
    expect(allowedBy('llm_api_routes')).toEqual([
      '/chat/completions',
      '/completions',
      '/embeddings',
      '/key/health',
      '/key/rotate',
      '/mcp-rest/tools/call',
      '/mcp-rest/tools/list',
      '/mcp/enabled',
      '/mcp/tools/call',
      '/mcp/tools/list',
      '/models',
      '/responses',
      '/v1/chat/completions',
      '/v1/completions',
      '/v1/embeddings',
      '/v1/mcp/tools',
      '/v1/messages',
      '/v1/messages/count_tokens',
      '/v1/models',
      '/v1/models/{id}',
      '/v1/models/{target}',
      '/v1/responses',
      '/v1/responses/{id}',
      '/v1/tool_results/{id}',
      '/v1beta/models',
      '/v1beta/models/{target}',
    ])
  })

  it('are in some group each, but for what operators watch and resource servers ask', () => {
    const grouped = allowedBy('openai_routes', 'mcp_routes', 'llm_api_routes', 'management_routes', 'info_routes')
    expect(paths.filter((path) => !grouped.includes(path)).toSorted()).toEqual([
      '/cache/ping',
      '/cache/redis/info',
      '/health',
      '/health/backlog',
      '/health/history',
      '/health/latest',
      '/health/license',
      '/health/readiness/details',
      '/health/services',
      '/health/shared-status',
      '/introspect',
      '/metrics',
      '/{server}/introspect',
    ])
  })

  it.each([
    ['/key/info', ['/key/info']],
    [
      '/v1/mcp/server*',
      [
        '/v1/mcp/server',
        '/v1/mcp/server/health',
        '/v1/mcp/server/import',
        '/v1/mcp/server/{server_id}',
        '/v1/mcp/server/{server_id}/oauth-user-credential',
        '/v1/mcp/server/{server_id}/oauth-user-credential/status',
        '/v1/mcp/server/{server_id}/refresh',
        '/v1/mcp/server/{server_id}/tool-changes',
        '/v1/mcp/server/{server_id}/tool-changes/approve',
        '/v1/mcp/server/{server_id}/tool-changes/reject',
        '/v1/mcp/server/{server_id}/user-credential',
        '/v1/mcp/server/{server_id}/user-env-vars',
        '/v1/mcp/server/{server_id}/versions',
      ],
    ],
    ['/key', []],
    ['no_such_routes', []],
    ['', []],
  ])('are those that the entry %j says and no others', (entry, expected) => {
    expect(allowedBy(entry)).toEqual(expected)
  })
})

describe('a model', () => {
  it('may be looked at by whoever may only look, and not be asked', () => {
    const looking = new Set(['info_routes'])
    for (const path of ['/v1/models/a/b:free', '/v1/models/a%2Fb%3Afree', '/v1/models/%ff%']) {
      expect(allowsRoute(looking, path)).toBe(true)
    }
    for (const asking of ['gemini:generateContent', 'gemini%3AgenerateContent', '%ff%/gemini%3agenerate%43ontent']) {
      const may = (group: string) => allowsRoute(new Set([group]), `/v1/models/${asking}`)
      expect([asking, may('info_routes'), may('openai_routes'), may('google_routes')]).toEqual([
        asking,
        false,
        false,
        true,
      ])
    }
  })
})

describe('an MCP endpoint', () => {
  it('is one route, whichever way round it is written', () => {
    for (const path of ['/mcp/github', '/mcp/github/', '/github/mcp', '/github/mcp/']) {
      expect([path, allowsRoute(new Set(['/mcp/github']), path)]).toEqual([path, true])
      expect([path, allowsRoute(new Set(['llm_api_routes']), path)]).toEqual([path, true])
      expect([path, allowsRoute(new Set(['/mcp/other', '/github', 'management_routes']), path)]).toEqual([path, false])
    }
    expect(allowsRoute(new Set(['/mcp/github']), '/mcp')).toBe(false)
    expect(allowsRoute(new Set(['/mcp/github']), '/mcp/github,other')).toBe(false)
  })
})
