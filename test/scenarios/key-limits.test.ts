import { virtualKeys } from '@toolgate/db'
import { openTestDatabase } from '@toolgate/testing/database'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { completion, type LlmServer, startLlmServer, toolCall } from '@toolgate/testing/llm-server'
import { type RawMcpServer, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'
import { mcp } from './chat-world.ts'

const behind = new AsyncDisposableStack()
const clock = fakeClock()
const database = await openTestDatabase()
let gateway: Booted
let llm: LlmServer
let tools: RawMcpServer
beforeAll(async () => {
  llm = behind.use(
    await startLlmServer([
      ({ body }) => {
        if (body['user'] === 'hang') return { hang: true }
        const answered = JSON.stringify(body['messages']).includes('"tool"')
        const call = body['tools'] !== undefined && !answered ? { tool_calls: [toolCall('srv-echo', {})] } : {}
        return { json: completion({ content: 'fine', ...call }) }
      },
    ]),
  )
  tools = behind.use(await startRawMcpServer())
  const litellm_params = {
    model: 'openai/gpt',
    api_base: `${llm.origin}/v1`,
    api_key: 'sk-p',
    input_cost_per_token: 0.1,
  }
  gateway = behind.use(
    await boot({
      clock,
      database,
      config: {
        mcp_servers: {
          srv: { url: tools.url, mcp_info: { mcp_server_cost_info: { default_cost_per_query: 3 } } },
          other: { url: tools.url },
        },
        model_list: [
          { model_name: 'm', litellm_params },
          { model_name: 'n', litellm_params },
        ],
      },
    }),
  )
})
afterAll(() => behind.disposeAsync())

const makeKey = (request: object) =>
  gateway.makeKey({ object_permission: { mcp_servers: ['srv', 'other'] }, ...request })
const ask = (key: string, body: object = {}, signal?: AbortSignal) =>
  gateway.request('/v1/chat/completions', {
    key,
    body: { model: 'm', messages: [{ role: 'user', content: 'go' }], ...body },
    ...(signal && { signal }),
  })
const call = (key: string, server = 'srv') =>
  gateway.request('/mcp-rest/tools/call', { key, body: { server_id: server, name: 'echo', arguments: {} } })
const statuses = async (...asked: (() => Promise<Response>)[]) => {
  const seen: number[] = []
  for (const one of asked) seen.push((await one()).status)
  return seen
}

describe('limits of a key within a minute', () => {
  verifies('limits:per-key', 'hold for its requests at all doors, in words that clients know', async () => {
    const key = await makeKey({ rpm_limit: 2 })
    expect(
      await statuses(
        () => ask(key),
        () => call(key),
      ),
    ).toEqual([200, 200])
    const refused = await ask(key)
    expect(refused.status).toBe(429)
    expect(refused.headers.get('retry-after')).toBe('60')
    expect(await refused.json()).toMatchObject({
      error: {
        type: 'throttling_error',
        code: '429',
        message: expect.stringMatching(
          /^Rate limit exceeded for api_key: [0-9a-f]{64}\. Limit type: requests\. Current limit: 2, Remaining: 0\. Limit resets at: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/,
        ),
      },
    })
    expect((await call(key)).status).toBe(429)
    clock.advance(60_000)
    expect((await ask(key)).status).toBe(200)
  })

  verifies('limits:per-key', 'hold for tokens, and for each model', async () => {
    const tokens = await makeKey({ tpm_limit: 20 })
    expect(
      await statuses(
        () => ask(tokens),
        () => ask(tokens),
        () => ask(tokens),
      ),
    ).toEqual([200, 200, 429])
    const models = await makeKey({ model_rpm_limit: { m: 1 }, model_tpm_limit: { n: 15 } })
    expect(
      await statuses(
        () => ask(models),
        () => ask(models),
        () => ask(models, { model: 'n' }),
        () => ask(models, { model: 'n' }),
      ),
    ).toEqual([200, 429, 200, 429])
  })

  verifies('limits:per-key', 'count calls of a server, and a tool loop as one request', async () => {
    const servers = await makeKey({ mcp_rpm_limit: { srv: 1 } })
    expect(
      await statuses(
        () => call(servers),
        () => call(servers),
        () => call(servers, 'other'),
      ),
    ).toEqual([200, 429, 200])
    const loops = await makeKey({ rpm_limit: 2 })
    const looped = () => ask(loops, { tools: mcp() })
    expect(await statuses(looped, looped, looped)).toEqual([200, 200, 429])
  })

  it('let no key be limited by another', async () => {
    const [one, other] = await Promise.all([makeKey({ rpm_limit: 1 }), makeKey({ rpm_limit: 1 })])
    expect(
      await statuses(
        () => ask(one),
        () => ask(other),
        () => ask(one),
      ),
    ).toEqual([200, 200, 429])
  })
})

describe('requests at a time', () => {
  verifies('limits:per-key', 'are limited, and a place is free again when one is over', async () => {
    const key = await makeKey({ max_parallel_requests: 1 })
    const client = new AbortController()
    const before = llm.requests.length
    const hanging = ask(key, { user: 'hang' }, client.signal)
    await llm.arrived(before + 1)
    const refused = await ask(key)
    expect(refused.status).toBe(429)
    expect(await refused.text()).toContain('Limit type: max_parallel_requests')
    client.abort()
    await hanging.catch(() => {})
    await vi.waitFor(async () => expect((await ask(key)).status).toBe(200))
  })
})

describe('a budget', () => {
  const spentBy = (alias: string) =>
    vi.waitFor(async () => {
      clock.advance(1_000)
      const rows = await database.db.select().from(virtualKeys)
      const spend = rows.find(({ keyAlias }) => keyAlias === alias)?.spend ?? 0
      expect(spend).toBeGreaterThan(0)
      return spend
    })

  verifies('limits:budget', 'is spent by models and tools, and then nothing of the key goes on', async () => {
    const key = await makeKey({ key_alias: 'spender', max_budget: 3.5 })
    expect(
      await statuses(
        () => ask(key),
        () => call(key),
      ),
    ).toEqual([200, 200])
    const refused = await ask(key)
    expect(refused.status).toBe(400)
    expect(await refused.json()).toMatchObject({
      error: { type: 'budget_exceeded', message: 'Budget has been exceeded! Current cost: 4, Max budget: 3.5' },
    })
    expect((await call(key)).status).toBe(400)
    expect(await spentBy('spender')).toBeCloseTo(4)
    expect(await gateway.json('/key/info', { key })).toMatchObject({ info: { spend: 4 } })
    expect((await ask(key)).status).toBe(400)
  })

  verifies('limits:budget', 'begins anew after its time', async () => {
    const key = await makeKey({ key_alias: 'monthly', max_budget: 1, budget_duration: '1h' })
    expect(
      await statuses(
        () => ask(key),
        () => ask(key),
      ),
    ).toEqual([200, 400])
    expect(await spentBy('monthly')).toBeCloseTo(1)
    clock.advance(3_600_000)
    expect(
      await statuses(
        () => ask(key),
        () => ask(key),
      ),
    ).toEqual([200, 400])
  })

  it('of a key without one is counted all the same', async () => {
    const key = await makeKey({ key_alias: 'free' })
    await ask(key)
    expect(await spentBy('free')).toBeCloseTo(1)
  })
})
