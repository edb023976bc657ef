import { isJsonObject, type JsonObject } from '@toolgate/core'
import { calls, type Database, virtualKeys } from '@toolgate/db'
import { openTestDatabase } from '@toolgate/testing/database'
import { fakeClock } from '@toolgate/testing/fake-clock'
import {
  completion,
  completionEvents,
  type LlmServer,
  message,
  startLlmServer,
  toolCall,
} from '@toolgate/testing/llm-server'
import { type RawDecision, type RawMcpServer, resultFor, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { afterAll, beforeAll, describe, expect, vi } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'
import { mcp } from './chat-world.ts'

/** Ways around the limits of a key, and in their middle: each answer counts 15 tokens and costs a dollar, each call of a tool three. */
const behind = new AsyncDisposableStack()
const clock = fakeClock()
let gateway: Booted
let llm: LlmServer
let database: Database
let tools: RawMcpServer
let duringTool: RawDecision = () => undefined
beforeAll(async () => {
  database = await openTestDatabase()
  llm = behind.use(await startLlmServer([({ body }) => answerTo(body)]))
  tools = behind.use(
    await startRawMcpServer((request) =>
      request.message['method'] === 'tools/call' ? duringTool(request) : undefined,
    ),
  )
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
        mcp_servers: { srv: { url: tools.url, mcp_info: { mcp_server_cost_info: { default_cost_per_query: 3 } } } },
        model_list: [
          { model_name: 'm', litellm_params },
          { model_name: 'claude', litellm_params: { model: 'anthropic/c', api_base: llm.origin, api_key: 'sk-p' } },
        ],
        guardrails: [
          {
            guardrail_name: 'pii',
            litellm_params: {
              guardrail: 'pii',
              mode: 'post_mcp_call',
              pii_entities_config: { EMAIL_ADDRESS: 'BLOCK' },
            },
          },
        ],
        router_settings: { model_group_alias: { also: 'm' } },
      },
    }),
  )
})
afterAll(() => behind.disposeAsync())

/** Calls a tool where it may; counts in a stream only where it is asked to. */
function answerTo(body: JsonObject) {
  if (body['model'] === 'c') return { json: message([], { usage: anthropicUsage }) }
  const calls = body['tools'] !== undefined && !JSON.stringify(body['messages']).includes('"tool"')
  const called = body['user'] === 'twice' ? ['a', 'b'] : ['a']
  const answer = completion({
    content: 'fine',
    ...(calls && { tool_calls: called.map((id) => toolCall('srv-echo', {}, id)) }),
  })
  if (body['user'] === 'absurd')
    return { text: JSON.stringify(answer).replace(/"prompt_tokens":\d+/, '"prompt_tokens":1e999') }
  if (JSON.stringify(body['messages']).includes('cached')) return { json: { ...answer, usage: cachedUsage } }
  if (body['stream'] !== true || body['user'] === 'whole') return { json: answer }
  const { usage, ...uncounted } = answer
  const { stream_options: options } = body
  const counts = isJsonObject(options) && options['include_usage'] === true
  return { events: completionEvents(counts ? { ...uncounted, usage: usage ?? null } : uncounted) }
}

/** Most of the prompt was in a cache of its provider. */
const cachedUsage = {
  prompt_tokens: 100,
  completion_tokens: 5,
  total_tokens: 105,
  prompt_tokens_details: { cached_tokens: 95 },
}

const anthropicUsage = {
  input_tokens: 5,
  cache_read_input_tokens: 90,
  cache_creation_input_tokens: 5,
  output_tokens: 7,
}

const makeKey = (request: object) => gateway.makeKey({ object_permission: { mcp_servers: ['srv'] }, ...request })
const ask = (key: string, body: object = {}, path = '/v1/chat/completions') =>
  gateway.request(path, { key, body: { model: 'm', messages: [{ role: 'user', content: 'go' }], ...body } })

describe('a stream whose client asks for no usage', () => {
  for (const [path, prompt] of [
    ['/v1/chat/completions', {}],
    ['/v1/completions', { prompt: 'go' }],
  ] as const) {
    const stream = (key: string, more: object = {}) => ask(key, { ...prompt, stream: true, ...more }, path)

    verifies('limits:per-key', `counts its tokens at ${path}`, async () => {
      const key = await makeKey({ tpm_limit: 10 })
      expect(await (await stream(key)).text()).toContain('[DONE]')
      expect((await stream(key)).status).toBe(429)
    })

    verifies('limits:budget', `is spent at ${path}`, async () => {
      const key = await makeKey({ max_budget: 1 })
      await (await stream(key, { stream_options: { include_usage: false } })).text()
      expect(await (await stream(key)).text()).toContain('budget_exceeded')
    })
  }

  verifies('limits:per-key', 'counts where its provider answers with a document', async () => {
    const key = await makeKey({ tpm_limit: 10 })
    const whole = { stream: true, user: 'whole' }
    expect(await (await ask(key, whole)).json()).toMatchObject({ usage: { total_tokens: 15 } })
    expect((await ask(key, whole)).status).toBe(429)
  })

  verifies('limits:per-key', 'is not told of it, and one whose client asks is', async () => {
    const key = await makeKey({ tpm_limit: 1_000 })
    const told = await (await ask(key, { stream: true, stream_options: { include_usage: true } })).text()
    const untold = await (await ask(key, { stream: true, stream_options: { odd: 1 } })).text()
    expect(told).toContain('"prompt_tokens"')
    expect(untold).not.toContain('"usage":{')
    expect(untold.split('\n\n')).toHaveLength(told.split('\n\n').length - 1)
    expect(llm.requests.at(-1)?.body['stream_options']).toEqual({ odd: 1, include_usage: true })
  })
})

describe('a tool loop under way', () => {
  for (const stream of [false, true]) {
    const looped = (key: string) => ask(key, { tools: mcp(), stream })
    for (const [limit, reached] of [
      [{ tpm_limit: 10 }, 'tokens'],
      [{ model_tpm_limit: { m: 10 } }, 'tokens'],
      [{ max_budget: 2 }, 'spend'],
    ] as const) {
      const name = `${Object.keys(limit)[0]}, ${stream ? 'streamed' : 'whole'}`
      verifies('limits:loop-answers', `is answered without tools where it crosses its limit: ${name}`, async () => {
        const key = await makeKey(limit)
        const before = tools.received('tools/call').length
        const answered = await looped(key)
        expect(answered.status).toBe(200)
        const text = await answered.text()
        expect(text).toContain(`"mcp_limit_reached":"${reached}"`)
        expect(text).not.toContain('"error"')
        expect(tools.received('tools/call')).toHaveLength(before + 1)
        expect(llm.requests.at(-1)?.body).not.toHaveProperty('tools')
        expect((await ask(key)).status).toBeGreaterThanOrEqual(400)
      })
    }
  }

  verifies('limits:per-key', 'holds its place while its tools run', async () => {
    const key = await makeKey({ max_parallel_requests: 1 })
    const beside: number[] = []
    duringTool = async () => {
      beside.push((await ask(key)).status)
      return undefined
    }
    const answered = await ask(key, { tools: mcp() })
    duringTool = () => undefined
    expect([answered.status, beside, (await ask(key)).status]).toEqual([200, [429], 200])
  })

  verifies('limits:per-key', 'holds no more than one place, however many of its tools run', async () => {
    const key = await makeKey({ max_parallel_requests: 2 })
    const beside: number[] = []
    const [both, over] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    let running = 0
    duringTool = async () => {
      running += 1
      if (running === 2) {
        both.resolve()
        await over.promise
        return undefined
      }
      await both.promise
      beside.push((await ask(key)).status)
      over.resolve()
      return undefined
    }
    const answered = await ask(key, { tools: mcp(), user: 'twice' })
    duringTool = () => undefined
    expect([answered.status, beside]).toEqual([200, [200]])
  })
})

describe('a count that no answer can have', () => {
  verifies('limits:budget', 'leaves the spend of all keys to be written, and the ledger', async () => {
    const [absurd, good] = await Promise.all([makeKey({}), makeKey({ key_alias: 'beside an absurd one' })])
    expect((await ask(absurd, { user: 'absurd' })).status).toBe(200)
    expect((await ask(good)).status).toBe(200)
    await vi.waitFor(
      async () => {
        clock.advance(1_000)
        const rows = await database.db.select().from(virtualKeys)
        expect(rows.find(({ keyAlias }) => keyAlias === 'beside an absurd one')?.spend).toBe(1)
        const written = await database.db.select().from(calls)
        expect(
          written.some(({ promptTokens, completionTokens }) => promptTokens === null && completionTokens === 5),
        ).toBe(true)
      },
      { timeout: 10_000 },
    )
  })
})

describe('a prompt that its provider had in a cache', () => {
  for (const [path, body] of [
    ['/v1/chat/completions', {}],
    ['/v1/messages', { max_tokens: 9 }],
    ['/v1/messages', { max_tokens: 9, tools: mcp() }],
  ] as const) {
    const name = 'tools' in body ? `${path} with tools` : path
    verifies('limits:per-key', `counts as any other at ${name}`, async () => {
      const key = await makeKey({ tpm_limit: 100 })
      const cached = { ...body, messages: [{ role: 'user', content: 'cached' }] }
      expect((await ask(key, cached, path)).status).toBe(200)
      expect((await ask(key, cached, path)).status).toBe(429)
    })
  }

  verifies('limits:per-key', 'counts as any other where Anthropic counts it beside', async () => {
    const key = await makeKey({ tpm_limit: 100, key_alias: 'cached by Anthropic' })
    const said = { model: 'claude', max_tokens: 9 }
    expect((await ask(key, said, '/v1/messages')).status).toBe(200)
    expect((await ask(key, said, '/v1/messages')).status).toBe(429)
    await vi.waitFor(
      async () => {
        clock.advance(1_000)
        const rows = await database.db.select().from(calls)
        const row = rows.find(({ keyAlias, outcome }) => keyAlias === 'cached by Anthropic' && outcome === 'ok')
        expect(row).toMatchObject({ promptTokens: 100, completionTokens: 7 })
      },
      { timeout: 10_000 },
    )
  })
})

describe('an alias of a model', () => {
  for (const limit of [
    { model_rpm_limit: { m: 1 } },
    { model_tpm_limit: { m: 10 } },
    { model_rpm_limit: { also: 1 } },
  ]) {
    verifies('limits:per-key', `is no way around a limit: ${JSON.stringify(limit)}`, async () => {
      const key = await makeKey({ models: ['m'], ...limit })
      expect((await ask(key, { model: 'also' })).status).toBe(200)
      expect((await ask(key, { model: 'also' })).status).toBe(429)
      const named = 'also' in (limit.model_rpm_limit ?? {}) ? 200 : 429
      expect((await ask(key)).status).toBe(named)
    })
  }
})

describe('a call whose result a guardrail withholds', () => {
  verifies('limits:budget', 'is spent: the tool has run', async () => {
    const key = await makeKey({ key_alias: 'withheld', max_budget: 3, guardrails: ['pii'] })
    duringTool = (request) => ({
      body: resultFor(request, { content: [{ type: 'text', text: 'mail ann.lee@example.com' }] }),
    })
    const call = () =>
      gateway.request('/mcp-rest/tools/call', { key, body: { server_id: 'srv', name: 'echo', arguments: {} } })
    const withheld = await (await call()).text()
    duringTool = () => undefined
    expect(withheld).not.toContain('ann.lee')
    expect(await (await call()).text()).toContain('Budget has been exceeded')
    await vi.waitFor(
      async () => {
        clock.advance(1_000)
        const rows = await database.db.select().from(calls)
        expect(rows.find(({ keyAlias, kind }) => keyAlias === 'withheld' && kind === 'tool_call')?.spend).toBe(3)
      },
      { timeout: 10_000 },
    )
  })
})
