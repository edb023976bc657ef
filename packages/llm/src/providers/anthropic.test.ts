import { createOutbound, isJsonObject, type JsonObject, systemClock } from '@toolgate/core'
import { countingIds, readChatEvents, readText, textResult, unusedApprovals } from '@toolgate/testing/llm-loop'
import { message, type Script, startLlmServer, textMessageEvents } from '@toolgate/testing/llm-server'
import { describe, expect, it } from 'vitest'
import { toDeployment } from '../deployment.ts'
import { chatDialect } from '../dialects/chat.ts'
import { runToolLoop } from '../tool-loop.ts'
import { createTurnRecords } from '../records/turn-records.ts'

const apiKey = 'sk-ant-canary-0123456789'
const never = new AbortController().signal

async function serve(script: Script, settings: JsonObject = {}) {
  const server = await startLlmServer(script)
  const outbound = createOutbound()
  const entry = toDeployment({
    model_name: 'claude-3-haiku-orchestrator',
    litellm_params: { model: 'claude-3-haiku-20240307', api_key: apiKey, api_base: server.origin, ...settings },
  })
  if (!entry.ok) throw new Error(JSON.stringify(entry.issues))
  const { provider } = entry.create({ outbound, clock: systemClock, newId: countingIds() })
  return {
    server,
    provider,
    async [Symbol.asyncDispose]() {
      await outbound.close()
      await server[Symbol.asyncDispose]()
    },
  }
}

const model = 'claude-3-haiku-20240307'
const says = (text: string) => message([{ type: 'text', text }])
const question = { model, messages: [{ role: 'user', content: 'List the databases.' }] }

describe('an OpenAI-shaped request to Claude', () => {
  it('becomes a Messages request, with everything it holds', async () => {
    await using setup = await serve([{ json: says('ok') }])
    const request = {
      model,
      max_tokens: 100,
      temperature: 0.5,
      stop: 'END',
      parallel_tool_calls: false,
      tool_choice: 'required',
      tools: [
        {
          type: 'function',
          function: {
            name: 'look',
            description: 'Looks.',
            parameters: { type: 'object', properties: { q: { type: 'string' } } },
          },
        },
      ],
      messages: [
        { role: 'system', content: 'Be brief.' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'What is this?' },
            { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=' } },
            { type: 'image_url', image_url: { url: 'https://example.test/cat.png' } },
          ],
        },
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 't1', type: 'function', function: { name: 'look', arguments: '{"q":"a"}' } }],
        },
        { role: 'tool', tool_call_id: 't1', content: 'a cat' },
        { role: 'user', content: 'Sure?' },
      ],
    }
    await setup.provider.generate(request, never)
    expect(setup.server.requests).toMatchObject([
      {
        path: '/v1/messages',
        headers: { 'x-api-key': apiKey },
        body: {
          model,
          max_tokens: 100,
          temperature: 0.5,
          stop_sequences: ['END'],
          system: [{ type: 'text', text: 'Be brief.' }],
          tools: [{ name: 'look', description: 'Looks.', input_schema: { properties: { q: { type: 'string' } } } }],
          tool_choice: { type: 'any', disable_parallel_tool_use: true },
          messages: [
            {
              role: 'user',
              content: [
                { type: 'text', text: 'What is this?' },
                { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'iVBORw0KGgo=' } },
                { type: 'image', source: { type: 'url', url: 'https://example.test/cat.png' } },
              ],
            },
            { role: 'assistant', content: [{ type: 'tool_use', id: 't1', name: 'look', input: { q: 'a' } }] },
            {
              role: 'user',
              content: [
                { type: 'tool_result', tool_use_id: 't1', content: 'a cat' },
                { type: 'text', text: 'Sure?' },
              ],
            },
          ],
        },
      },
    ])
  })

  it('is answered as a chat completion', async () => {
    await using setup = await serve([
      {
        json: message([
          { type: 'text', text: 'Looking.' },
          { type: 'tool_use', id: 'toolu_1', name: 'look', input: { q: 1 } },
        ]),
      },
    ])
    expect(await setup.provider.generate(question, never)).toEqual({
      id: 'chatcmpl_1',
      object: 'chat.completion',
      created: expect.any(Number),
      model,
      choices: [
        {
          index: 0,
          message: {
            role: 'assistant',
            content: 'Looking.',
            tool_calls: [{ id: 'toolu_1', type: 'function', function: { name: 'look', arguments: '{"q":1}' } }],
          },
          finish_reason: 'tool_calls',
        },
      ],
      usage: expect.objectContaining({ prompt_tokens: 20, completion_tokens: 7, total_tokens: 27 }),
    })
  })

  it.each([
    ['end_turn', 'stop'],
    ['max_tokens', 'length'],
    ['stop_sequence', 'stop'],
    ['refusal', 'content_filter'],
  ])('ends for the reason %s as %s', async (theirs, ours) => {
    await using setup = await serve([{ json: message([{ type: 'text', text: 'x' }], { stop_reason: theirs }) }])
    expect(await setup.provider.generate(question, never)).toMatchObject({ choices: [{ finish_reason: ours }] })
  })

  it('that it cannot carry over is refused by name', async () => {
    await using setup = await serve([{ json: says('no') }])
    const audio = { model, messages: [{ role: 'user', content: [{ type: 'input_audio', input_audio: {} }] }] }
    await expect(setup.provider.generate(audio, never)).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
      message: 'messages[0] holds content of type "input_audio", which this model\'s provider cannot take.',
    })
    expect(setup.server.requests).toEqual([])
  })
})

describe('the tool loop with Claude', () => {
  const listDatabases = {
    publicName: 'db_main-list_databases',
    functionName: 'db_main-list_databases',
    approval: 'never' as const,
    definition: { inputSchema: { type: 'object' } },
  }
  const wants = message([{ type: 'tool_use', id: 'toolu_1', name: 'db_main-list_databases', input: {} }])
  const run = (provider: Awaited<ReturnType<typeof serve>>['provider'], maxRounds = 8) =>
    runToolLoop({
      body: question,
      dialect: chatDialect,
      tools: [listDatabases],
      generate: (body, { signal }) => provider.generate(body, signal),
      call: async () => textResult('postgres, app'),
      owner: 'alice',
      turnRecords: createTurnRecords(),
      approvals: unusedApprovals,
      admit: async () => {},
      signal: never,
      limits: { maxRounds },
    })

  it('goes to the final answer with finish_reason stop', async () => {
    await using setup = await serve([{ json: wants }, { json: says('There are two.') }])
    expect((await run(setup.provider)).response).toMatchObject({
      choices: [{ finish_reason: 'stop', message: { content: 'There are two.' } }],
      usage: { total_tokens: 54 },
    })
    expect(setup.server.requests[1]?.body['messages']).toMatchObject([
      {},
      { role: 'assistant', content: [{ type: 'tool_use', id: 'toolu_1' }] },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_1', content: 'postgres, app' }] },
    ])
  })

  it('at the bound still declares the tools of the past, which Anthropic demands, and forbids them', async () => {
    await using setup = await serve([{ json: wants }, { json: says('Enough.') }])
    await run(setup.provider, 1)
    expect(setup.server.requests[1]?.body).toMatchObject({
      tools: [{ name: 'db_main-list_databases' }],
      tool_choice: { type: 'none' },
    })
  })
})

describe('failures of Anthropic', () => {
  it('carry its status and body, but never the key', async () => {
    const error = { type: 'error', error: { type: 'authentication_error', message: `bad key ${apiKey}` } }
    await using setup = await serve([{ json: error, status: 401 }])
    const failure = await setup.provider.generate(question, never).catch((caught: unknown) => caught)
    expect(failure).toMatchObject({
      code: 'PROVIDER_ERROR',
      details: { provider: { status: 401, body: { error: { type: 'authentication_error' } } } },
    })
    expect(JSON.stringify(failure)).not.toContain(apiKey)
  })

  it('to answer in time, to be there, or to answer sensibly have a code each', async () => {
    await using hanging = await serve([{ hang: true }], { timeout: 0.05 })
    await expect(hanging.provider.generate(question, never)).rejects.toMatchObject({ code: 'PROVIDER_TIMEOUT' })
    await using odd = await serve([{ json: { hello: 1 } }])
    await expect(odd.provider.generate(question, never)).rejects.toMatchObject({ code: 'PROVIDER_PROTOCOL' })
    const gone = await serve([{ hang: true }])
    await gone.server[Symbol.asyncDispose]()
    await expect(gone.provider.generate(question, never)).rejects.toMatchObject({ code: 'PROVIDER_UNREACHABLE' })
    await gone[Symbol.asyncDispose]()
  })
})

describe('Claude streaming', () => {
  const begun = textMessageEvents(['Hel']).slice(0, 3)
  const overloaded = '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'

  it.each<[string, Script[number], string]>([
    ['reports an error', { events: [...begun, `event: error\ndata: ${overloaded}\n\n`] }, 'PROVIDER_ERROR'],
    ['breaks off', { events: begun, afterwards: 'cut' }, 'PROVIDER_UNREACHABLE'],
    ['is no stream of messages', { events: ['data: hello\n\n'] }, 'PROVIDER_PROTOCOL'],
  ])('that %s fails instead of ending', async (_, answer, code) => {
    await using setup = await serve([answer])
    const read = setup.provider.stream(question, never).then(readText)
    await expect(read).rejects.toMatchObject({ code })
  })

  it('becomes OpenAI chunks: one id, one role, one finish, usage when asked, [DONE]', async () => {
    await using setup = await serve([{ events: textMessageEvents(['Hel', 'lo ü']) }])
    const request = { ...question, stream: true, stream_options: { include_usage: true } }
    const events = await readChatEvents(await setup.provider.stream(request, never))
    expect(events.pop()).toBe('[DONE]')
    const chunks = events.filter(isJsonObject)
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1)
    expect(chunks.map(({ choices }) => JSON.parse(JSON.stringify(choices))[0])).toEqual([
      { index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null },
      { index: 0, delta: { content: 'Hel' }, finish_reason: null },
      { index: 0, delta: { content: 'lo ü' }, finish_reason: null },
      { index: 0, delta: {}, finish_reason: 'stop' },
      undefined,
    ])
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: 20, completion_tokens: 7 } })
  })
})
