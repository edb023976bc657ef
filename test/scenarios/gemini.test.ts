import { ApiError, FunctionCallingConfigMode, GoogleGenAI, type GenerateContentParameters } from '@google/genai'
import { isJsonObject, type JsonObject } from '@toolgate/core'
import { completion, completionEvents, toolCall } from '@toolgate/testing/llm-server'
import { serveOnLoopback } from '@toolgate/testing/loopback'
import { type SdkMcpServer, startMcpServer } from '@toolgate/testing/mcp-server'
import { geminiAnswers } from '@toolgate/testing/provider-answers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verifies } from '../verifies.ts'
import { gemini, geminiKey } from './chat-models.ts'
import { mcp, messagesIn, offeredIn, resultsIn } from './chat-world.ts'
import { startToolWorld, type ToolWorld } from './tool-world.ts'

/** `/v1beta` with the official SDK: `gemini` is Google's, `gpt` is asked for chat completions. */
const behind = new AsyncDisposableStack()
let world: ToolWorld<SdkMcpServer>
let origin: string
beforeAll(async () => {
  world = behind.use(await startToolWorld(startMcpServer, { models: (llm) => [gemini(llm)] }))
  const listening = behind.use(await serveOnLoopback(world.gateway.app.fetch))
  origin = listening.origin
})
afterAll(() => behind.disposeAsync())

const models = (apiVersion?: string) =>
  new GoogleGenAI({
    apiKey: world.gateway.masterKey,
    httpOptions: { baseUrl: origin, ...(apiVersion && { apiVersion }) },
  }).models

/** The SDK's types know no MCP entries. */
const params = (request: object): GenerateContentParameters =>
  JSON.parse(JSON.stringify({ model: 'gpt', contents: 'go', ...request }))

async function stream(request: object) {
  const texts: string[] = []
  const calls: unknown[] = []
  const reasons: unknown[] = []
  let usage: unknown
  for await (const piece of await models().generateContentStream(params(request))) {
    const [candidate] = piece.candidates ?? []
    for (const part of candidate?.content?.parts ?? []) {
      if (part.functionCall) calls.push(part.functionCall)
      if (part.text) texts.push(part.text)
    }
    if (candidate?.finishReason) reasons.push(candidate.finishReason)
    usage = piece.usageMetadata ?? usage
  }
  return { text: texts.join(''), pieces: texts.length, calls, reasons, usage }
}

/** As Google's clients name MCP servers. */
const gatewayTools = [{ mcpServers: [{ name: 'gw', streamableHttpTransport: { url: 'litellm_proxy/mcp/srv' } }] }]

const declared = {
  name: 'get_weather',
  description: 'Of a city.',
  parameters: { type: 'OBJECT', properties: { city: { type: 'STRING', nullable: true } }, required: ['city'] },
}

describe('a request to Gemini', () => {
  verifies('gemini:relayed', 'is relayed as it is, in both directions, and with our key alone', async () => {
    const answer = {
      candidates: [{ content: { role: 'model', parts: [{ text: 'Hi.', odd: [1] }] } }],
      future: { a: null },
    }
    const body = {
      contents: [{ role: 'user', parts: [{ text: 'x' }] }],
      tools: [{ functionDeclarations: [declared] }, { googleSearch: {} }],
      safetySettings: [{ category: 'C', threshold: 'T' }],
      future: { field: true },
    }
    world.play({ json: answer })
    const path = `/v1beta/models/gemini:generateContent?key=${world.gateway.masterKey}`
    expect(await world.gateway.json(path, { key: null, body })).toEqual(answer)
    const sent = world.llm.requests.at(-1)
    expect(sent).toMatchObject({
      path: '/v1beta/models/gemini-fake:generateContent',
      headers: { 'x-goog-api-key': geminiKey },
    })
    expect(sent?.body).toEqual(body)
    expect(JSON.stringify(sent)).not.toContain(world.gateway.masterKey)
  })

  verifies('gemini:relayed', 'has its stream relayed byte for byte, or as one list', async () => {
    const scripted = geminiAnswers.stream({ text: 'Größe', calls: [{ id: 'c', name: 'f', input: {} }] })
    const events = 'events' in scripted ? scripted.events : []
    world.play(scripted)
    const body = { contents: [] }
    const streamed = await world.gateway.request('/v1beta/models/gemini:streamGenerateContent?alt=sse', { body })
    expect(await streamed.text()).toBe(events.join(''))
    expect(world.llm.requests.at(-1)?.path).toBe('/v1beta/models/gemini-fake:streamGenerateContent?alt=sse')

    const list = await world.gateway.request('/v1beta/models/gemini:streamGenerateContent', { body })
    expect(await list.json()).toEqual(events.map((event) => JSON.parse(event.slice('data: '.length))))
    await world.rows(1, ({ method, promptTokens, completionTokens }) => {
      return method === 'generateContent' && promptTokens === 10 && completionTokens === 5
    })
  })

  verifies('gemini:count-tokens', 'is counted by Google, and about where nobody counts', async () => {
    world.play({ json: { totalTokens: 42 } })
    expect(await models().countTokens({ model: 'gemini', contents: 'x' })).toMatchObject({ totalTokens: 42 })
    expect(world.llm.requests.at(-1)?.path).toBe('/v1beta/models/gemini-fake:countTokens')
    world.play({ text: 'never', status: 500 })
    expect((await models().countTokens({ model: 'gpt', contents: 'x' })).totalTokens).toBeGreaterThan(3)
    expect(world.asked).toEqual([])
  })
})

describe('a Gemini request to another model', () => {
  verifies('gemini:crossed', 'is crossed both ways, whole and streamed', async () => {
    const said = completion({
      content: 'One moment.',
      tool_calls: [toolCall('get_weather', { city: 'Bern' }, 'call_w')],
    })
    const request = {
      config: {
        systemInstruction: 'Be kind.',
        temperature: 0.5,
        maxOutputTokens: 9,
        stopSequences: ['X'],
        tools: [{ functionDeclarations: [declared] }],
        toolConfig: { functionCallingConfig: { mode: FunctionCallingConfigMode.ANY } },
      },
    }
    world.play(said)
    const whole = await models().generateContent(params(request))
    const called = [{ id: 'call_w', name: 'get_weather', args: { city: 'Bern' } }]
    expect(whole.functionCalls).toEqual(called)
    expect(whole.candidates?.[0]).toMatchObject({ finishReason: 'STOP', content: { role: 'model' } })
    expect(whole.usageMetadata).toMatchObject({ promptTokenCount: 10, candidatesTokenCount: 5, totalTokenCount: 15 })
    expect(world.asked[0]).toMatchObject({
      messages: [
        { role: 'system', content: 'Be kind.' },
        { role: 'user', content: [{ type: 'text', text: 'go' }] },
      ],
      temperature: 0.5,
      max_tokens: 9,
      stop: ['X'],
      tool_choice: 'required',
    })
    expect(world.asked[0]?.['tools']).toMatchObject([
      {
        function: {
          name: 'get_weather',
          parameters: { type: 'object', properties: { city: { type: ['string', 'null'] } } },
        },
      },
    ])

    world.play(said)
    const streamed = await stream(request)
    expect(streamed).toMatchObject({ text: 'One moment.', calls: called, reasons: ['STOP'] })
    expect(streamed.pieces).toBeGreaterThan(1)
    expect(streamed.usage).toMatchObject({ promptTokenCount: 10 })
  })

  verifies('gemini:crossed', 'is also taken at /v1, where Google’s SDK for Python asks', async () => {
    world.play(completion({ content: 'Hi.' }))
    expect((await models('v1').generateContent(params({}))).text).toBe('Hi.')
    let text = ''
    for await (const piece of await models('v1').generateContentStream(params({}))) text += piece.text ?? ''
    expect(text).toBe('Hi.')
    expect((await models('v1').countTokens({ model: 'gpt', contents: 'x' })).totalTokens).toBeGreaterThan(3)

    const refused = await world.gateway.json('/v1/models/nothing:generateContent', { body: {}, status: 400 })
    expect(refused).toMatchObject({ error: { status: 'INVALID_ARGUMENT' } })
    const withKey = `/v1/models/gpt:generateContent?key=${world.gateway.masterKey}`
    const asked = await world.gateway.json(withKey, { key: null, body: { contents: [{ parts: [{ text: 'go' }] }] } })
    expect(asked).toMatchObject({ candidates: [{ content: { parts: [{ text: 'Hi.' }] } }] })
    const unknown = await world.gateway.json('/v1/models/nothing', { status: 404 })
    expect(unknown).toMatchObject({ error: { type: expect.any(String) } })
  })

  verifies('gemini:crossed', 'may have one content in place of a list', async () => {
    world.play(completion({ content: 'Hi.' }))
    for (const action of ['generateContent', 'streamGenerateContent?alt=sse']) {
      const body = { contents: { role: 'user', parts: [{ text: 'go' }] } }
      const response = await world.gateway.request(`/v1beta/models/gpt:${action}`, { body })
      expect(await response.text()).toContain('Hi.')
    }
    const messages = [{ role: 'user', content: [{ type: 'text', text: 'go' }] }]
    expect(world.asked).toMatchObject([{ messages }, { messages }])
  })

  verifies('gemini:crossed', 'has the results of calls joined to them, by id or by their order', async () => {
    world.play(completion({ content: 'ok' }))
    const call = (city: string, id?: string) => ({
      functionCall: { name: 'get_weather', args: { city }, ...(id && { id }) },
    })
    const result = (response: object, id?: string) => ({
      functionResponse: { name: 'get_weather', response, ...(id && { id }) },
    })
    const contents = [
      { role: 'user', parts: [{ text: 'go' }, { inlineData: { mimeType: 'image/png', data: 'AAAA' } }] },
      { role: 'model', parts: [{ text: 'hm', thought: true }, call('Bern'), call('Rom')] },
      { role: 'user', parts: [result({ output: 'rain' }), result({ error: 'no' })] },
      { role: 'model', parts: [call('Oslo', 'own')] },
      { role: 'user', parts: [result({ degrees: 3 }, 'own'), { text: 'and?' }] },
    ]
    await models().generateContent(params({ contents, config: { tools: [{ functionDeclarations: [declared] }] } }))
    const [, first, , , second] = messagesIn(world.asked[0])
    expect(resultsIn(world.asked[0])).toEqual(['rain', 'Error: no', '{"degrees":3}'])
    expect([first, second]).toMatchObject([
      { tool_calls: [{ id: 'call_0' }, { id: 'call_1' }] },
      { tool_calls: [{ id: 'own' }] },
    ])
    const answered = messagesIn(world.asked[0]).map(({ tool_call_id: id }) => id ?? '')
    expect(answered.filter((id) => id !== '')).toEqual(['call_0', 'call_1', 'own'])
    expect(JSON.stringify(world.asked[0])).toContain('data:image/png;base64,AAAA')
  })

  verifies(
    'gemini:cli',
    'takes what Gemini CLI sends: its router’s schema, thinking, long names of tools',
    async () => {
      const long = `mcp_toolgate_${'a_long.tool-name_'.repeat(4)}`
      world.play(completion({ content: '{"model_choice":"flash"}' }))
      const schema = { type: 'object', properties: { model_choice: { type: 'string', enum: ['flash', 'pro'] } } }
      const routing = {
        responseMimeType: 'application/json',
        responseJsonSchema: schema,
        thinkingConfig: { thinkingBudget: 512 },
      }
      const { text } = await models().generateContent(params({ config: routing }))
      expect(text).toBe('{"model_choice":"flash"}')
      expect(world.asked[0]).toMatchObject({ response_format: { type: 'json_schema', json_schema: { schema } } })

      world.play(completion({ content: 'ok' }))
      const tools = [
        { functionDeclarations: [{ name: long, parametersJsonSchema: { type: 'object', properties: {} } }] },
      ]
      await stream({ config: { tools } })
      const [offered = ''] = offeredIn(world.asked[0])
      expect(offered).toMatch(/^[A-Za-z_][A-Za-z0-9_-]{0,63}$/)
      world.play(completion({ content: null, tool_calls: [toolCall(offered, { a: 1 }, 'call_1')] }))
      expect((await stream({ config: { tools } })).calls).toMatchObject([{ name: long, args: { a: 1 } }])
    },
  )

  it('fails in its dialect, before and within its stream', async () => {
    world.play({ status: 429, json: { error: { message: 'slow down' } } })
    const refused: unknown = await models()
      .generateContent(params({}))
      .catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(ApiError)
    expect(refused).toMatchObject({ status: 429, message: expect.stringContaining('RESOURCE_EXHAUSTED') })

    world.play({ events: completionEvents(completion({ content: 'Half' })).slice(0, 2) })
    await expect(stream({})).rejects.toThrow('stopped in the middle')

    const unknown = await world.gateway.json('/v1beta/models/gpt:predict', { body: {}, status: 404 })
    expect(unknown).toMatchObject({ error: { code: 404, status: 'NOT_FOUND' } })
  })
})

describe('a Gemini request with gateway tools', () => {
  const first = { text: 'Let me.', calls: [{ id: 'c1', name: 'srv-echo', input: { message: 'hi' } }] }

  verifies('gemini:tools', 'is one answer, and the client is handed its own calls alone', async () => {
    const own = toolCall('get_weather', { city: 'Bern' }, 'c3')
    world.play(
      completion({ content: 'Let me.', tool_calls: [toolCall('srv-echo', { message: 'hi' }, 'c1')] }),
      completion({ content: 'And the weather.', tool_calls: [own] }),
    )
    const tools = [{ functionDeclarations: [declared] }, ...gatewayTools]
    const answer = await stream({ config: { tools } })
    expect(answer).toMatchObject({
      text: 'Let me.\n\nAnd the weather.',
      calls: [{ name: 'get_weather', args: { city: 'Bern' } }],
      reasons: ['STOP'],
    })
    expect(resultsIn(world.asked[1])).toEqual(['hi'])

    const [call] = answer.calls.filter(isJsonObject)
    world.play(completion({ content: 'It rains.' }))
    const contents: JsonObject[] = [
      { role: 'user', parts: [{ text: 'go' }] },
      { role: 'model', parts: [{ text: answer.text }, { functionCall: call ?? {} }] },
      {
        role: 'user',
        parts: [{ functionResponse: { id: call?.['id'] ?? '', name: 'get_weather', response: { output: 'rain' } } }],
      },
    ]
    const continued = await models().generateContent(params({ contents, config: { tools } }))
    expect(continued.text).toBe('It rains.')
    expect(resultsIn(world.asked[0])).toEqual(['hi', 'rain'])
  })

  verifies('gemini:tools', 'is also asked for as at any other door, and by the header', async () => {
    const use = completion({ content: null, tool_calls: [toolCall('srv-echo', { message: 'hi' }, 'c1')] })
    const asked = { contents: [{ parts: [{ text: 'go' }] }] }
    for (const [body, headers] of [
      [{ ...asked, tools: mcp() }, {}],
      [asked, { 'x-mcp-servers': 'srv' }],
    ] as const) {
      world.play(use, completion({ content: 'done' }))
      const answer = await world.gateway.json('/v1beta/models/gpt:generateContent', { body, headers })
      expect(answer).toMatchObject({ candidates: [{ content: { parts: [{ text: 'done' }] } }] })
      expect(resultsIn(world.asked[1])).toEqual(['hi'])
    }
  })

  verifies('gemini:tools', 'works on Gemini, which gets back what it signed', async () => {
    world.play(geminiAnswers.whole(first), geminiAnswers.whole({ text: 'It says hi.' }))
    const answer = await models().generateContent(params({ model: 'gemini', config: { tools: gatewayTools } }))
    expect(answer.text).toBe('Let me.\n\nIt says hi.')
    expect(JSON.stringify(world.asked[1]?.['contents'])).toMatch(/"thoughtSignature":"signed"/)
    expect(JSON.stringify(world.asked[1]?.['contents'])).toMatch(/"functionResponse":/)
  })
})
