import { createOutbound, isJsonObject, type JsonObject, type Outbound, randomId, systemClock } from '@toolgate/core'
import { readText } from '@toolgate/testing/llm-loop'
import { type LlmServer, startLlmServer } from '@toolgate/testing/llm-server'
import {
  anthropicAnswers,
  bedrockAnswers,
  cohereAnswers,
  geminiAnswers,
  openAiAnswers,
  type ProviderAnswers,
  type Said,
} from '@toolgate/testing/provider-answers'
import { afterAll, describe, expect, it } from 'vitest'
import { toDeployment } from '../deployment.ts'
import { assembleChat } from '../dialects/chat-assembly.ts'
import { readChatChunks } from '../dialects/chat-chunks.ts'
import { listOf } from '../json-fields.ts'

/** One request in OpenAI's words × every provider × what a model may do: the answer is the same, whoever gave it. */
interface Row {
  readonly model: string
  readonly settings: (origin: string) => JsonObject
  readonly answers: ProviderAnswers
  /** What the provider must have been sent. */
  readonly path: (streamed: boolean) => string
  readonly headers: JsonObject
  /** Signs what the model thinks. */
  readonly signs?: 'thoughts' | 'calls'
}

const key = { api_key: 'sk-canary' }
const bearer = { authorization: 'Bearer sk-canary' }
const compatible = (provider: string): Row => ({
  model: `${provider}/some/model`,
  settings: (origin) => ({ ...key, api_base: `${origin}/v1` }),
  answers: openAiAnswers,
  path: () => '/v1/chat/completions',
  headers: bearer,
})

const vendors = `openai groq xai deepseek mistral openrouter together_ai fireworks_ai perplexity cerebras nvidia_nim deepinfra
sambanova moonshot ollama ollama_chat hosted_vllm lm_studio litellm_proxy openai_like custom_openai`

const vertexPath = '/v1/projects/p/locations/l/publishers'
const vertexSettings = (origin: string) => ({
  api_base: origin,
  vertex_project: 'p',
  vertex_location: 'l',
  vertex_credentials: JSON.stringify({
    type: 'authorized_user',
    client_id: 'i',
    client_secret: 's',
    refresh_token: 'r',
  }),
})
const token = { authorization: 'Bearer token-canary' }

const rows: Row[] = [
  ...vendors.split(/\s+/).map(compatible),
  {
    model: 'azure/deployed',
    settings: (api_base) => ({ ...key, api_base, api_version: '2025-01-01' }),
    answers: openAiAnswers,
    path: () => '/openai/deployments/deployed/chat/completions?api-version=2025-01-01',
    headers: { 'api-key': 'sk-canary' },
  },
  {
    model: 'anthropic/claude-fake',
    settings: (api_base) => ({ ...key, api_base }),
    answers: anthropicAnswers,
    path: () => '/v1/messages',
    headers: { 'x-api-key': 'sk-canary' },
    signs: 'thoughts',
  },
  {
    model: 'gemini/gemini-fake',
    settings: (api_base) => ({ ...key, api_base }),
    answers: geminiAnswers,
    path: (streamed) => `/v1beta/models/gemini-fake:${streamed ? 'streamGenerateContent?alt=sse' : 'generateContent'}`,
    headers: { 'x-goog-api-key': 'sk-canary' },
    signs: 'calls',
  },
  {
    model: 'vertex_ai/gemini-fake',
    settings: vertexSettings,
    answers: geminiAnswers,
    path: (streamed) =>
      `${vertexPath}/google/models/gemini-fake:${streamed ? 'streamGenerateContent?alt=sse' : 'generateContent'}`,
    headers: token,
    signs: 'calls',
  },
  {
    model: 'vertex_ai/claude-fake',
    settings: vertexSettings,
    answers: anthropicAnswers,
    path: (streamed) => `${vertexPath}/anthropic/models/claude-fake:${streamed ? 'streamRawPredict' : 'rawPredict'}`,
    headers: token,
    signs: 'thoughts',
  },
  {
    model: 'bedrock/anthropic.claude-fake-v1:0',
    settings: (api_base) => ({ ...key, api_base }),
    answers: bedrockAnswers,
    path: (streamed) => `/model/anthropic.claude-fake-v1%3A0/${streamed ? 'converse-stream' : 'converse'}`,
    headers: bearer,
    signs: 'thoughts',
  },
  {
    model: 'bedrock/anthropic.claude-of-a-session',
    settings: (api_base) => ({
      api_base,
      aws_access_key_id: 'AKIA',
      aws_secret_access_key: 'sk-canary',
      aws_session_token: 'token-canary',
    }),
    answers: bedrockAnswers,
    path: (streamed) => `/model/anthropic.claude-of-a-session/${streamed ? 'converse-stream' : 'converse'}`,
    headers: { 'x-amz-security-token': 'token-canary' },
    signs: 'thoughts',
  },
  ...['cohere', 'cohere_chat'].map((provider) => ({
    model: `${provider}/command-fake`,
    settings: (origin: string) => ({ ...key, api_base: `${origin}/v2` }),
    answers: cohereAnswers,
    path: () => '/v2/chat',
    headers: bearer,
  })),
]

const outbound = withTokens(createOutbound())
afterAll(() => outbound.close())

/** Google's tokens, without Google. */
function withTokens(real: Outbound): Outbound {
  return {
    ...real,
    async request(request) {
      if (!request.url.startsWith('https://oauth2.googleapis.com/')) return real.request(request)
      const answer = JSON.stringify({ access_token: 'token-canary', expires_in: 3_600 })
      return { status: 200, header: () => undefined, body: noBytes(), text: async () => answer, discard: () => {} }
    },
  }
}

async function* noBytes(): AsyncGenerator<Uint8Array> {}

/** What it was presented with, and might repeat. */
function secretOf({ headers }: Row): string {
  return JSON.stringify(headers).includes('token-canary') ? 'token-canary' : 'sk-canary'
}

const tools = ['look', 'count'].map((name) => ({
  type: 'function',
  function: { name, description: 'It does.', parameters: { type: 'object', properties: { at: { type: 'string' } } } },
}))
const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
const picture = { type: 'image_url', image_url: { url: `data:image/png;base64,${pixel}` } }
const asks = (content: string | object[]) => ({ messages: [{ role: 'user', content }], max_tokens: 2_000, tools })

async function serve(row: Row, answer: (answers: ProviderAnswers) => ReturnType<ProviderAnswers['whole']>) {
  const server = await startLlmServer([answer(row.answers)])
  const litellm_params = { model: row.model, ...row.settings(server.origin) }
  const entry = toDeployment({ model_name: 'm', litellm_params })
  if (!entry.ok) throw new Error(JSON.stringify(entry.issues))
  const { provider, upstreamModel } = entry.create({ outbound, clock: systemClock, newId: randomId })
  return { server, provider, upstreamModel, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}

const never = new AbortController().signal

interface Asking {
  readonly streamed?: boolean
  readonly content?: string | object[]
}

/** The answer, in pieces put together again where it was streamed. */
async function ask(row: Row, said: Said, { streamed = false, content = 'go' }: Asking = {}) {
  await using setup = await serve(row, (answers) => (streamed ? answers.stream(said) : answers.whole(said)))
  const { provider, upstreamModel, server } = setup
  const body: JsonObject = JSON.parse(JSON.stringify({ model: upstreamModel, ...asks(content) }))
  if (!streamed) return { ...readAnswer(await provider.generate(body, never)), ...sentTo(server) }
  const assembly = assembleChat()
  const wanted = { ...body, stream: true, stream_options: { include_usage: true } }
  for await (const chunk of readChatChunks(await provider.stream(wanted, never))) assembly.add(chunk)
  return { ...readAnswer(assembly.response()), ...sentTo(server) }
}

function readAnswer(completion: JsonObject) {
  const [choice] = listOf(completion['choices'])
  const { message, finish_reason: finish } = isJsonObject(choice) ? choice : {}
  const said = isJsonObject(message) ? message : {}
  const calls = listOf(said['tool_calls'])
    .filter(isJsonObject)
    .map(({ id, function: called, provider_specific_fields: fields }) => ({ id, called, fields }))
  const { usage } = completion
  const { prompt_tokens: prompt, completion_tokens: answered } = isJsonObject(usage) ? usage : {}
  return {
    text: said['content'] || null,
    thought: said['reasoning_content'],
    said,
    calls,
    finish,
    usage: [prompt, answered],
  }
}

function sentTo({ requests }: LlmServer) {
  const { path, headers, body } = requests[0] ?? { path: '', headers: {}, body: {} }
  return { path, headers, sent: JSON.stringify(body) }
}

const call = (id: string, name: string) => ({ id, name, input: { at: id } })
const called = (id: string, name: string) => ({ id, called: { name, arguments: JSON.stringify({ at: id }) } })

describe.each(rows)('$model', (row) => {
  it.each([false, true])('answers in text, streamed: %s', async (streamed) => {
    const answer = await ask(row, { text: 'Größe 42.' }, { streamed })
    expect(answer).toMatchObject({ text: 'Größe 42.', calls: [], finish: 'stop', usage: [10, 5] })
    expect(answer).toMatchObject({ path: row.path(streamed), headers: row.headers })
    expect(answer.sent).toContain('"count"')
  })

  it.each([false, true])('calls tools, one and several, streamed: %s', async (streamed) => {
    const one = await ask(row, { calls: [call('toolcall1', 'look')] }, { streamed })
    expect(one).toMatchObject({ text: null, calls: [called('toolcall1', 'look')], finish: 'tool_calls' })
    const several = await ask(
      row,
      { text: 'I look.', calls: [call('toolcall1', 'look'), call('toolcall2', 'count')] },
      { streamed },
    )
    expect(several).toMatchObject({
      text: 'I look.',
      calls: [called('toolcall1', 'look'), called('toolcall2', 'count')],
      finish: 'tool_calls',
    })
  })

  it.each([false, true])('shows what it thinks, with its signature, streamed: %s', async (streamed) => {
    const said = { thought: 'Hmm.', text: 'Yes.', calls: [call('toolcall1', 'look')] }
    const answer = await ask(row, said, { streamed })
    expect(answer).toMatchObject({ thought: 'Hmm.', text: 'Yes.' })
    const signed = [{ type: 'thinking', thinking: 'Hmm.', signature: 'signed' }]
    expect(answer.said['thinking_blocks']).toEqual(row.signs === 'thoughts' ? signed : undefined)
    expect(answer.calls[0]?.fields).toEqual(row.signs === 'calls' ? { thought_signature: 'signed' } : undefined)
  })

  it('is shown a picture', async () => {
    const { sent } = await ask(row, { text: 'A pixel.' }, { content: [{ type: 'text', text: 'What?' }, picture] })
    expect(sent).toContain(pixel)
  })

  it.each([false, true])(
    'has its refusals told with its status and never with its key, streamed: %s',
    async (streamed) => {
      await using setup = await serve(row, (answers) => answers.refusal(429, `Too much for ${secretOf(row)}.`))
      const { provider, upstreamModel } = setup
      const body: JsonObject = JSON.parse(JSON.stringify({ model: upstreamModel, ...asks('go') }))
      const asking = streamed ? provider.stream(body, never).then(readText) : provider.generate(body, never)
      const failure: unknown = await asking.catch((error: unknown) => error)
      expect(failure).toMatchObject({ code: 'PROVIDER_ERROR', details: { provider: { status: 429 } } })
      expect(failure instanceof Error ? failure.message : '').toContain('Too much for')
      expect(JSON.stringify([failure, String(failure)])).not.toContain('-canary')
    },
  )
})
