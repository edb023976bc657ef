import { completion, completionEvents, type LlmServer, startLlmServer, toolCall } from '@toolgate/testing/llm-server'
import { resultFor, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { calls } from '@toolgate/db'
import { openTestDatabase } from '@toolgate/testing/database'
import { eq } from 'drizzle-orm'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'

const database = await openTestDatabase()
const clock = fakeClock()
let gateway: Booted
const open: AsyncDisposable[] = []
beforeAll(async () => {
  gateway = await boot({ database, clock })
})
afterEach(async () => {
  for (const each of open.splice(0).toReversed()) await each[Symbol.asyncDispose]()
})
afterAll(() => gateway[Symbol.asyncDispose]())

/** A provider that fails in one way, or says who it is. */
async function provider(answer: Parameters<typeof startLlmServer>[0][number] | string): Promise<LlmServer> {
  const scripted = typeof answer === 'string' ? { json: completion({ content: answer }) } : answer
  const server = await startLlmServer([scripted])
  open.push(server)
  return server
}

const failing = (status: number, headers: Record<string, string> = {}, error: object = { message: 'no' }) =>
  provider({ json: JSON.parse(JSON.stringify({ error })), status, headers })

const entry = (
  name: string,
  { origin }: LlmServer,
  { id, ...params }: { id?: string; [param: string]: unknown } = {},
) => ({
  model_name: name,
  litellm_params: { model: `openai/${id ?? name}`, api_base: `${origin}/v1`, api_key: 'sk-p', ...params },
  ...(id !== undefined && { model_info: { id } }),
})

const question = { model: 'm', messages: [{ role: 'user', content: 'go' }] }
const ask = (body: object = {}) => gateway.request('/v1/chat/completions', { body: { ...question, ...body } })
const said = async (response: Response) => {
  const answer: { choices: { message: { content: string } }[] } = JSON.parse(await response.text())
  return answer.choices[0]?.message.content
}

describe('several deployments of one model', () => {
  verifies('models:another-deployment', 'answer for one another, and the answer says which it was', async () => {
    const bad = await failing(500)
    const good = await provider('here')
    await gateway.reload({
      model_list: [entry('m', bad, { order: 1, id: 'bad' }), entry('m', good, { order: 2, id: 'good' })],
    })
    const response = await ask()
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'x-litellm-model-id': 'good',
      'x-litellm-model-group': 'm',
      'x-litellm-attempted-retries': '1',
      'x-litellm-attempted-fallbacks': '0',
    })
    expect(await said(response)).toBe('here')
    expect(await (await gateway.request('/metrics')).text()).toContain(
      'toolgate_model_attempts_total{model="m",deployment="bad",outcome="PROVIDER_ERROR"} 1',
    )
  })

  verifies('models:another-deployment', 'and a stream goes to another until its first byte is there', async () => {
    const bad = await provider({ events: [], afterwards: 'cut' })
    const good = await provider({ events: completionEvents(completion({ content: 'streamed' })) })
    await gateway.reload({ model_list: [entry('m', bad, { order: 1 }), entry('m', good, { order: 2 })] })
    const response = await ask({ stream: true })
    expect(response.headers.get('x-litellm-attempted-retries')).toBe('1')
    expect(await response.text()).toContain('streame')
  })

  verifies('models:another-deployment', 'also where the request or its model is crossed', async () => {
    const bad = await provider({ events: [], afterwards: 'cut' })
    const good = await provider({ events: completionEvents(completion({ content: 'streamed' })) })
    const cohere = { model: 'cohere/x', api_base: bad.origin }
    for (const params of [{}, cohere]) {
      await gateway.reload({
        model_list: [
          entry('m', bad, { order: 1, ...params }),
          entry('m', good, { order: 2, use_chat_completions_api: true }),
        ],
      })
      for (const [path, body] of [
        ['/v1/messages', { ...question, max_tokens: 9 }],
        ['/v1/responses', { model: 'm', input: 'go' }],
        ['/v1/chat/completions', question],
      ] as const) {
        const text = await (await gateway.request(path, { body: { ...body, stream: true } })).text()
        expect(text).toContain('streame')
      }
    }
  })

  verifies('models:another-deployment', 'and no stream is begun again once it was heard', async () => {
    const events = completionEvents(completion({ content: 'half of it' })).slice(0, 2)
    const bad = await provider({ events, afterwards: 'cut' })
    const good = await provider('never')
    await gateway.reload({
      router_settings: { num_retries: 3, fallbacks: [{ m: ['n'] }] },
      model_list: [entry('m', bad), entry('n', good)],
    })
    const text = await (await ask({ stream: true })).text()
    expect(text).toContain('half of')
    expect(text.match(/"error"/g)).toHaveLength(1)
    expect(bad.requests).toHaveLength(1)
    expect(good.requests).toHaveLength(0)
  })

  verifies('models:retries', 'are not asked again for what is wrong with the request', async () => {
    const bad = await failing(400)
    const good = await provider('never')
    await gateway.reload({
      router_settings: { num_retries: 3, fallbacks: [{ m: ['n'] }] },
      model_list: [entry('m', bad), entry('m', bad), entry('n', good)],
    })
    expect((await ask()).status).toBe(400)
    expect(bad.requests).toHaveLength(1)
    expect(good.requests).toHaveLength(0)
  })

  it('share the load by weight', async () => {
    const light = await provider('light')
    const heavy = await provider('heavy')
    await gateway.reload({
      model_list: [entry('m', light, { weight: 0 }), entry('m', heavy, { weight: 5 })],
    })
    for (let at = 0; at < 5; at += 1) expect(await said(await ask())).toBe('heavy')
  })

  verifies('models:parallel', 'take no more requests at a time than they have places; the others wait', async () => {
    const hanging = await provider({ hang: true })
    await gateway.reload({ model_list: [entry('m', hanging, { max_parallel_requests: 1 })] })
    const first = new AbortController()
    const asked = [first, new AbortController()].map(({ signal }) =>
      gateway.request('/v1/chat/completions', { body: question, signal }),
    )
    await hanging.arrived(1)
    expect(hanging.requests).toHaveLength(1)
    first.abort()
    await hanging.arrived(2)
    const [gone] = await Promise.allSettled(asked.slice(0, 1))
    expect(gone?.status).toBeDefined()
  })

  verifies('models:parallel', 'have the place of a stream back that nobody began to read', async () => {
    const server = await startLlmServer([
      { events: ['data: {"id":"1","choices":[]}\n\n'], afterwards: 'stay' },
      { json: completion({ content: 'me' }) },
    ])
    open.push(server)
    await gateway.reload({ model_list: [entry('m', server, { max_parallel_requests: 1 })] })
    const left = await ask({ stream: true })
    await left.body?.cancel()
    expect(await said(await ask())).toBe('me')
  })
})

describe('a deployment that fails', () => {
  verifies('models:retries', 'is asked again where the file says so, after as long as it wants', async () => {
    const answers = [
      { json: { error: { message: 'later' } }, status: 429, headers: { 'retry-after': '7' } },
      { json: completion({ content: 'now' }) },
    ]
    const limited = await startLlmServer(answers)
    open.push(limited)
    await gateway.reload({ router_settings: { num_retries: 1 }, model_list: [entry('m', limited)] })
    const began = clock.monotonic()
    const asked = ask()
    await limited.arrived(1)
    await vi.waitFor(() => {
      clock.advance(1_000)
      expect(limited.requests).toHaveLength(2)
    })
    expect(await said(await asked)).toBe('now')
    expect(clock.monotonic() - began).toBeGreaterThanOrEqual(7_000)
  })

  it('is not asked again by default, and the client learns when to come again', async () => {
    const limited = await failing(429, { 'retry-after': '7' })
    await gateway.reload({ model_list: [entry('m', limited)] })
    const response = await ask()
    expect(response.status).toBe(429)
    expect(response.headers.get('retry-after')).toBe('7')
    expect(limited.requests).toHaveLength(1)
  })

  verifies('models:cooldown', 'is left alone for a while', async () => {
    const refusing = await failing(401)
    const good = await provider('good')
    const model_list = [entry('m', refusing, { order: 1 }), entry('m', good, { order: 2 })]
    await gateway.reload({ router_settings: { cooldown_time: 60 }, model_list })
    await ask()
    await ask()
    expect(refusing.requests).toHaveLength(1)
    clock.advance(61_000)
    await ask()
    expect(refusing.requests).toHaveLength(2)
  })

  verifies('models:cooldown', 'may fail as often as the file allows, within a minute', async () => {
    const bad = await failing(500)
    const good = await provider('good')
    const model_list = [entry('m', bad, { order: 1 }), entry('m', good, { order: 2 })]
    await gateway.reload({ litellm_settings: { allowed_fails: 2 }, model_list })
    for (let at = 0; at < 5; at += 1) expect(await said(await ask())).toBe('good')
    expect(bad.requests).toHaveLength(3)
  })

  verifies('models:cooldown', 'for one name of many goes on for the others', async () => {
    const knowsOne = await startLlmServer([
      ({ body }) =>
        body['model'] === 'good'
          ? { json: completion({ content: 'here' }) }
          : { json: { error: { message: 'no such model' } }, status: 404 },
    ])
    open.push(knowsOne)
    const spare = await provider('spare')
    const wild = { model_name: 'wild/*', litellm_params: { ...entry('m', knowsOne).litellm_params, model: 'openai/*' } }
    await gateway.reload({
      router_settings: { default_fallbacks: ['spare'] },
      model_list: [wild, entry('spare', spare)],
    })
    const askFor = (model: string) => gateway.request('/v1/chat/completions', { body: { ...question, model } })
    await askFor('wild/made-up')
    expect(await said(await askFor('wild/good'))).toBe('here')
  })

  for (const message of ['File not found: file_made_up', "Response with id 'resp_1' not found."]) {
    verifies('models:cooldown', `is none for others because of what a caller named: ${message}`, async () => {
      const choosy = await startLlmServer([
        ({ body }) =>
          JSON.stringify(body).includes('made-up')
            ? { json: { error: { message } }, status: 404 }
            : { json: completion({ content: 'here' }) },
      ])
      open.push(choosy)
      const spare = await provider('spare')
      await gateway.reload({
        router_settings: { default_fallbacks: ['spare'] },
        model_list: [entry('m', choosy), entry('spare', spare)],
      })
      await ask({ messages: [{ role: 'user', content: 'made-up' }] })
      expect(await said(await ask())).toBe('here')
    })
  }

  verifies('models:cooldown', 'begins where the model itself is not there', async () => {
    const gone = await failing(404, {}, { message: 'The model deployed in this file was not found.' })
    const spare = await provider('spare')
    await gateway.reload({
      router_settings: { default_fallbacks: ['spare'] },
      model_list: [entry('m', gone), entry('spare', spare)],
    })
    for (let at = 0; at < 2; at += 1) expect(await said(await ask())).toBe('spare')
    expect(gone.requests).toHaveLength(1)
  })

  it('is late where it does not answer within the time of the file', async () => {
    const hanging = await provider({ hang: true })
    const good = await provider('in time')
    await gateway.reload({
      router_settings: { timeout: 30, fallbacks: [{ m: ['n'] }] },
      model_list: [entry('m', hanging), entry('n', good)],
    })
    const asked = ask()
    await hanging.arrived(1)
    clock.advance(31_000)
    expect(await said(await asked)).toBe('in time')
  })
})

describe('fallbacks', () => {
  verifies(
    'models:fallbacks',
    'answer for a model whose provider is down, under the name that was asked for',
    async () => {
      const down = await failing(503)
      const good = await provider('other')
      await gateway.reload({
        litellm_settings: { fallbacks: [{ m: ['n'] }] },
        model_list: [entry('m', down), entry('n', good, { id: 'n-1' })],
      })
      const key = await gateway.makeKey({ models: ['m'] })
      const response = await gateway.request('/v1/chat/completions', { body: question, key })
      expect(response.headers.get('x-litellm-model-group')).toBe('n')
      expect(response.headers.get('x-litellm-attempted-fallbacks')).toBe('1')
      expect(await said(response)).toBe('other')
      await vi.waitFor(
        async () => {
          clock.advance(1_000)
          const rows = await database.db.select().from(calls).where(eq(calls.deploymentId, 'n-1'))
          expect(rows).toMatchObject([{ publicName: 'm', model: 'n-1', attempts: 2, outcome: 'ok' }])
        },
        { timeout: 5_000 },
      )
    },
  )

  it.each([
    ['context_window_fallbacks', { message: 'too long', code: 'context_length_exceeded' }],
    ['content_policy_fallbacks', { message: 'The content management policy was triggered.' }],
  ])('%s answer what the model refuses, and others do not', async (setting, error) => {
    const refusing = await failing(400, {}, error)
    const good = await provider('fits')
    const model_list = [entry('m', refusing), entry('n', good)]
    await gateway.reload({ router_settings: { [setting]: [{ m: ['n'] }] }, model_list })
    expect(await said(await ask())).toBe('fits')
    await gateway.reload({ router_settings: { fallbacks: [{ m: ['n'] }] }, model_list })
    expect((await ask()).status).toBe(400)
  })

  it('of no name are those of all names', async () => {
    const down = await failing(503)
    const good = await provider('default')
    await gateway.reload({
      router_settings: { default_fallbacks: ['n'] },
      model_list: [entry('m', down), entry('n', good)],
    })
    expect(await said(await ask())).toBe('default')
  })

  it('that fail as well leave the failure of the model that was asked', async () => {
    const down = await failing(503, {}, { message: 'the first' })
    const alsoDown = await failing(500, {}, { message: 'the second' })
    await gateway.reload({
      router_settings: { fallbacks: [{ m: ['n'] }] },
      model_list: [entry('m', down), entry('n', alsoDown)],
    })
    const response = await ask()
    expect(response.status).toBe(503)
    expect(await response.text()).toContain('the first')
  })

  verifies('models:retries', 'run no tool a second time', async () => {
    let ran = 0
    const tools = await startRawMcpServer((request) => {
      if (request.message['method'] !== 'tools/call') return undefined
      ran += 1
      return { body: resultFor(request, { content: [{ type: 'text', text: 'done' }] }) }
    })
    open.push(tools)
    const flaky = await startLlmServer([
      { json: completion({ tool_calls: [toolCall('srv-echo', {})] }) },
      { json: { error: { message: 'down' } }, status: 500 },
    ])
    open.push(flaky)
    const good = await provider('after the tool')
    await gateway.reload({
      router_settings: { fallbacks: [{ m: ['n'] }] },
      mcp_servers: { srv: { url: tools.url } },
      model_list: [entry('m', flaky), entry('n', good)],
    })
    const entries = [{ type: 'mcp', server_label: 'x', server_url: 'litellm_proxy', require_approval: 'never' }]
    expect(await said(await ask({ tools: entries }))).toBe('after the tool')
    expect(ran).toBe(1)
    expect(good.requests).toHaveLength(1)
  })
})

describe('an alias', () => {
  verifies('models:aliases', 'is asked and listed like the model that it stands for, with its grants', async () => {
    const good = await provider('meant')
    await gateway.reload({
      router_settings: { model_group_alias: { other: 'm', quiet: { model: 'm', hidden: true } } },
      model_list: [entry('m', good), entry('secret', good)],
    })
    const key = await gateway.makeKey({ models: ['m'] })
    const response = await gateway.request('/v1/chat/completions', { body: { ...question, model: 'other' }, key })
    expect(await said(response)).toBe('meant')
    expect(response.headers.get('x-litellm-model-group')).toBe('m')
    const { data } = await gateway.json('/v1/models', { key })
    expect(data).toMatchObject([{ id: 'm' }, { id: 'other' }])
  })
})
