import type { LlmServer } from '@toolgate/testing/llm-server'
import { startMcpServer } from '@toolgate/testing/mcp-server'
import { startSseMcpServer } from '@toolgate/testing/mcp-sse-server'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'
import { doors, eagerModel, startEagerModel } from './every-door.ts'

/**
 * Dual authentication (seed 002): `x-litellm-key` is for the gateway, `Authorization` is the user's own and goes to the server that
 * declares it, through every door and over either transport.
 */
const behind = new AsyncDisposableStack()
interface Upstream {
  readonly url: string
  readonly requests: readonly { readonly headers: Headers | Readonly<Record<string, unknown>> }[]
}
let upstreams: Readonly<Record<'declared' | 'delegated' | 'streamed' | 'undeclared', Upstream>>
let model: LlmServer
let gateway: Booted
let key: string
beforeAll(async () => {
  model = behind.use(await startEagerModel())
  upstreams = {
    declared: behind.use(await startMcpServer({ modern: 'beside' })),
    delegated: behind.use(await startMcpServer()),
    streamed: behind.use(await startSseMcpServer()),
    undeclared: behind.use(await startMcpServer()),
  }
  const { declared, delegated, streamed, undeclared } = upstreams
  gateway = behind.use(
    await boot({
      config: {
        mcp_servers: {
          declared: { url: declared.url, extra_headers: ['Authorization'], allowed_tools: ['whoami'] },
          delegated: { url: delegated.url, auth_type: 'oauth_delegate', allowed_tools: ['whoami'] },
          streamed: { url: streamed.url, transport: 'sse', auth_type: 'oauth_delegate', allowed_tools: ['whoami'] },
          undeclared: { url: undeclared.url, allowed_tools: ['whoami'] },
        },
        model_list: [eagerModel(model)],
      },
    }),
  )
  key = await gateway.makeKey({ object_permission: { mcp_servers: ['all-proxy-mcpservers'] } })
})
afterAll(() => behind.disposeAsync())

const sentTo = (upstream: Upstream, from: number) =>
  upstream.requests
    .slice(from)
    .map(({ headers }) => Object.fromEntries(headers instanceof Headers ? headers : Object.entries(headers)))

describe('x-litellm-key with the Authorization of a user', () => {
  for (const [door, call] of Object.entries(doors)) {
    verifies(
      'identity:dual-auth',
      `through ${door}: the servers that declare it get it, the others do not`,
      async () => {
        for (const [server, upstream] of Object.entries(upstreams)) {
          const before = Object.values(upstreams).map(({ requests }) => requests.length)
          const authorization = `Bearer user-token-${door}-${server}`.replaceAll(/[ ,]+/g, '-').replace('-', ' ')
          await call(gateway, { server, tool: 'whoami', headers: { 'x-litellm-key': key, authorization } })
          const seen = Object.entries(upstreams).flatMap(([name, other], index) =>
            JSON.stringify(sentTo(other, before[index] ?? 0)).includes(authorization) ? [name] : [],
          )
          expect([door, server, seen]).toEqual([door, server, server === 'undeclared' ? [] : [server]])
          expect(upstream.requests.length).toBeGreaterThan(0)
        }
        const everything = Object.values(upstreams).map((upstream) => sentTo(upstream, 0))
        expect(JSON.stringify([everything, model.requests])).not.toContain(key)
        expect(JSON.stringify(model.requests.map(({ headers }) => headers))).not.toContain('user-token-')
      },
    )
  }

  verifies('identity:dual-auth', 'is refused where the key is none, whatever the Authorization', async () => {
    const before = Object.values(upstreams).map(({ requests }) => requests.length)
    for (const call of Object.values(doors)) {
      const headers = { 'x-litellm-key': 'sk-nobodys', authorization: `Bearer ${key}` }
      await expect(call(gateway, { server: 'declared', tool: 'whoami', headers })).rejects.toThrow(
        /401|no handshake|Unauthorized|authentication/i,
      )
    }
    expect(Object.values(upstreams).map(({ requests }) => requests.length)).toEqual(before)
  })
})
