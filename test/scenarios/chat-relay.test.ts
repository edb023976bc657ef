import { completion, startLlmServer } from '@toolgate/testing/llm-server'
import { PermissionDeniedError } from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { boot, recordingLog } from '../boot.ts'
import { verifies } from '../verifies.ts'
import { type ChatWorld, providerKey, startChatWorld } from './chat-world.ts'

const behind = new AsyncDisposableStack()
const log = recordingLog()
let world: ChatWorld
let answers: Awaited<ReturnType<typeof startLlmServer>>
beforeAll(async () => {
  answers = behind.use(await startLlmServer([{ json: completion({ content: 'from the other' }) }]))
  world = behind.use(
    await startChatWorld({
      log,
      env: { OPENAI_API_KEY: 'sk-from-the-environment', SECOND_KEY: 'sk-second' },
      models: ({ origin }) => [
        { model_name: 'openai/*', litellm_params: { model: 'openai/*', api_base: `${answers.origin}/base/` } },
        {
          model_name: 'named-key',
          litellm_params: { model: 'gpt-named', api_base: answers.origin, api_key: 'os.environ/SECOND_KEY' },
        },
        {
          model_name: 'canned',
          litellm_params: { model: 'openai/gpt-real', api_base: `${origin}/v1`, mock_response: 'a canned answer' },
        },
        {
          model_name: 'with-headers',
          litellm_params: {
            model: 'openai/gpt',
            api_base: `${origin}/v1`,
            extra_headers: { 'x-gateway-key': 'canary/of-a-header' },
          },
        },
        { model_name: 'canned-elsewhere', litellm_params: { model: 'bedrock/anything', mock_response: 'also canned' } },
      ],
    }),
  )
})
afterAll(() => behind.disposeAsync())

const user = [{ role: 'user', content: 'hi' }]

/** As a client without SDK sends it: nothing is added or left out on the way. */
const post = (body: object, key?: string) =>
  world.gateway.request('/v1/chat/completions', { body, ...(key !== undefined && { key }) })

describe('a request without gateway tools', () => {
  const theirTool = { type: 'mcp', server_label: 'x', server_url: 'https://mcp.example/mcp', odd: true }
  const request = {
    model: 'gpt',
    messages: [{ role: 'user', content: 'hi', name: 'ann', cache_control: { type: 'ephemeral' } }],
    tools: [{ type: 'function', function: { name: 'f', parameters: {} }, odd: 1 }, theirTool],
    unheard_of: { deep: [1, null, 'ö'] },
    n: 2,
  }

  verifies('chat:relays-unknown-fields', 'reaches the provider whole, under its own name of the model', async () => {
    world.play(completion({ content: 'x' }))
    await post(request)
    expect(world.asked).toEqual([{ ...request, model: 'gpt-fake' }])
    expect(world.llm.requests.at(-1)).toMatchObject({
      path: '/v1/chat/completions',
      headers: { authorization: `Bearer ${providerKey}` },
    })
    expect(JSON.stringify(world.llm.requests)).not.toContain(world.gateway.masterKey)
  })

  verifies('chat:relays-unknown-fields', 'is answered with every field that the provider sent', async () => {
    const sent = completion(
      { content: null, tool_calls: [{ id: '', type: 'custom', custom: { name: 'f' } }], reasoning: { odd: 1 } },
      { service_tier: 'x', citations: ['a'], usage: { prompt_tokens: 1, odd_tokens: { deep: 2 } } },
    )
    world.play(sent)
    const response = await post(request)
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual(sent)
  })

  verifies('chat:relays-unknown-fields', 'is streamed byte for byte', async () => {
    const events = [
      ': comment\n\nevent: odd\r\ndata: {"id":"1","choices":[{"delta":{"role":"assistant","odd":"',
      'ö"}}]}\r\n\r\n',
      'data: {"id":"2","choices":[{"index":1,"delta":{"tool_calls":[{"index":0}]},"logprobs":{}}]}\n\n',
      'data:   not JSON at all\n\ndata: [DONE]\n\ntrailing',
    ]
    world.play({ events })
    const response = await post({ ...request, stream: true, stream_options: { include_usage: true, odd: 1 } })
    expect(response.headers.get('content-type')).toContain('text/event-stream')
    expect(await response.text()).toBe(events.join(''))
    expect(world.asked).toEqual([
      { ...request, model: 'gpt-fake', stream: true, stream_options: { include_usage: true, odd: 1 } },
    ])
  })

  verifies('chat:tool-progress', 'tells its provider nothing of what the gateway would tell of tools', async () => {
    world.play(completion({ content: 'ok' }))
    for (const stream_options of [{ include_mcp_progress: true }, { include_mcp_progress: true, odd: 1 }]) {
      const body = { model: 'gpt', messages: [], stream: true, stream_options }
      await (await world.gateway.request('/v1/chat/completions', { body })).text()
    }
    expect(world.asked.map(({ stream_options }) => stream_options)).toEqual([
      { include_usage: true },
      { odd: 1, include_usage: true },
    ])
  })

  verifies('chat:relays-unknown-fields', 'is served without /v1 as well', async () => {
    world.play(completion({ content: 'x' }))
    const response = await world.gateway.request('/chat/completions', { body: { model: 'gpt', messages: user } })
    expect(response.status).toBe(200)
  })
})

describe('a provider that refuses', () => {
  for (const [status, words] of [
    [429, 'Rate limit reached for gpt-fake'],
    [400, 'Unsupported parameter: odd'],
    [503, 'The engine is overloaded'],
  ] as const) {
    it(`has its ${status}, its words, its names for the failure and its retry-after relayed`, async () => {
      const headers = { 'retry-after': '17' }
      for (const stream of [false, true]) {
        world.play({ status, json: { error: { message: words, type: 'their_type', code: 'their_code' } }, headers })
        const response = await post({ model: 'gpt', messages: user, stream })
        expect(response.status).toBe(status)
        expect(await response.json()).toMatchObject({
          error: { message: expect.stringContaining(words), type: 'their_type', code: 'their_code' },
        })
        expect(response.headers.get('retry-after')).toBe('17')
        expect(world.asked).toHaveLength(1)
      }
    })
  }

  for (const status of [401, 403]) {
    it(`with ${status} is a 502 that shows no key`, async () => {
      const message = `Incorrect API key provided: ${providerKey}. You can find your API key at …`
      for (const stream of [false, true]) {
        world.play({ status, json: { error: { message, type: 'invalid_request_error' } } })
        const response = await post({ model: 'gpt', messages: user, stream })
        expect(response.status).toBe(502)
        const text = await response.text()
        expect(JSON.parse(text)).toMatchObject({ error: { type: 'provider_error', code: '502' } })
        expect(text).not.toContain(providerKey)
      }
      expect(log.lines.join('\n')).not.toContain(providerKey)
    })
  }

  it('shows no credential that an operator wrote in headers, however it is repeated', async () => {
    const error = String.raw`{"error":{"message":"refused: ${'canary/of-a-header'.replace('/', String.raw`\/`)} canary/of-a-header"}}`
    for (const [stream, answer] of [
      [false, { status: 400, text: error }],
      [true, { status: 400, text: error }],
      [true, { events: [`data: ${error}\n\n`] }],
    ] as const) {
      world.play(answer)
      const text = await (await post({ model: 'with-headers', messages: user, stream })).text()
      expect(text).toContain('refused: [redacted] [redacted]')
    }
    expect(world.llm.requests.at(-1)?.headers).toMatchObject({ 'x-gateway-key': 'canary/of-a-header' })
  })

  it('of the request names the field and what is wrong with it', async () => {
    for (const [messages, message] of [
      [undefined, 'messages is required in request body'],
      ['hi', 'messages: Invalid input: expected array, received string'],
      [['hi'], 'messages.0: Invalid input: expected object, received string'],
    ]) {
      const response = await post({ model: 'gpt', messages })
      expect(response.status).toBe(400)
      expect(await response.json()).toMatchObject({ error: { message, type: 'invalid_request_error' } })
    }
  })

  it('in plain text is relayed as well', async () => {
    world.play({ status: 429, text: 'slow down' })
    const response = await post({ model: 'gpt', messages: user })
    expect(response.status).toBe(429)
    expect(await response.text()).toContain('slow down')
  })

  it('in the middle of a stream ends it with an error event', async () => {
    const begun = 'data: {"id":"1","choices":[{"delta":{"content":"be"}}]}\n\n'
    world.play({ events: [begun], afterwards: 'cut' })
    const text = await (await post({ model: 'gpt', messages: user, stream: true })).text()
    expect(text.startsWith(begun)).toBe(true)
    expect(JSON.parse(text.slice(begun.length + 'data: '.length))).toMatchObject({ error: { type: 'provider_error' } })
  })
})

describe('which model', () => {
  const ask = (model: string, key?: string) =>
    world.client(key).chat.completions.create({ model, messages: [{ role: 'user', content: 'hi' }] })

  it('a pattern passes on what its star stood for, at its api_base', async () => {
    const answer = await ask('openai/some/new-model')
    expect(answer.choices[0]?.message.content).toBe('from the other')
    expect(answers.requests.at(-1)).toMatchObject({
      path: '/base/chat/completions',
      headers: { authorization: 'Bearer sk-from-the-environment' },
      body: { model: 'some/new-model' },
    })
  })

  it('a key of the environment goes to its provider', async () => {
    await ask('named-key')
    expect(answers.requests.at(-1)).toMatchObject({
      path: '/chat/completions',
      headers: { authorization: 'Bearer sk-second' },
      body: { model: 'gpt-named' },
    })
  })

  it('an entry with mock_response asks no provider', async () => {
    world.play(completion({ content: 'the real one' }))
    for (const [model, words] of [
      ['canned', 'a canned answer'],
      ['canned-elsewhere', 'also canned'],
    ] as const) {
      const answer = await ask(model)
      expect(answer.choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: words } })
      const streamed = world.client().chat.completions.stream({ model, messages: [{ role: 'user', content: 'hi' }] })
      expect(await streamed.finalContent()).toBe(words)
    }
    expect(world.asked).toEqual([])
  })

  it('an unknown one is an error that names those of the key', async () => {
    const key = await world.gateway.makeKey({ models: ['gpt', 'gone'] })
    await expect(ask('nope')).rejects.toMatchObject({
      status: 400,
      message: expect.stringMatching(/Unknown model "nope".*gpt.*canned/),
    })
    await expect(ask('gone', key)).rejects.toMatchObject({
      status: 400,
      message: expect.not.stringContaining('canned'),
    })
  })

  it('one beyond the key is refused in the words that clients know', async () => {
    const key = await world.gateway.makeKey({ models: ['named-key', 'openai/*'] })
    const before = answers.requests.length
    const refusal = await ask('gpt', key).catch((error: unknown) => error)
    expect(refusal).toBeInstanceOf(PermissionDeniedError)
    expect(refusal).toMatchObject({
      status: 403,
      type: 'key_model_access_denied',
      message: expect.stringContaining(
        "key not allowed to access model. This key can only access models=['named-key', 'openai/*']. Tried to access gpt",
      ),
    })
    expect(answers.requests).toHaveLength(before)
    await expect(ask('openai/anything', key)).resolves.toMatchObject({ object: 'chat.completion' })
  })

  it('a key may ask for is in its list, and no other', async () => {
    const ids = async (key?: string) => {
      const found = []
      for await (const { id, object } of world.client(key).models.list()) {
        expect(object).toBe('model')
        found.push(id)
      }
      return found
    }
    expect(await ids()).toEqual(['gpt', 'named-key', 'canned', 'with-headers', 'canned-elsewhere'])
    expect(await ids(await world.gateway.makeKey({ models: ['canned', 'openai/gpt-9'] }))).toEqual([
      'canned',
      'openai/gpt-9',
    ])
    expect(await ids(await world.gateway.makeKey({ models: ['openai/*'] }))).toEqual([])
  })
})

describe('an entry of model_list with a mock_response of another kind', () => {
  it('is left out with its reason; the others answer', async () => {
    const reasons = recordingLog()
    await using gateway = await boot({
      log: reasons,
      config: {
        model_list: [
          { model_name: 'odd', litellm_params: { model: 'openai/x', api_key: 'sk-x', mock_response: 7 } },
          { model_name: 'mock', litellm_params: { model: 'mock/echo' } },
        ],
      },
    })
    expect(reasons.lines.filter((line) => line.includes('model left out')).join()).toContain('mock_response')
    await gateway.json('/v1/chat/completions', { body: { model: 'odd', messages: user }, status: 400 })
    await gateway.json('/v1/chat/completions', { body: { model: 'mock', messages: user } })
  })
})
