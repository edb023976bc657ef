import { createOutbound, type JsonObject, randomId, systemClock } from '@toolgate/core'
import { startLlmServer } from '@toolgate/testing/llm-server'
import {
  anthropicAnswers,
  geminiAnswers,
  openAiAnswers,
  type ProviderAnswers,
} from '@toolgate/testing/provider-answers'
import { afterAll, describe, expect, it } from 'vitest'
import { toDeployment } from '../deployment.ts'

const outbound = createOutbound()
afterAll(() => outbound.close())

const never = new AbortController().signal
const question = { messages: [{ role: 'user', content: 'go' }] }

/** What the provider is sent for this entry and this request. */
async function sent(
  model: string,
  {
    settings = {},
    body = {},
    answers = openAiAnswers,
  }: { settings?: object; body?: object; answers?: ProviderAnswers },
) {
  await using server = await startLlmServer([answers.whole({ text: 'ok' })])
  const litellm_params = { model, api_key: 'sk-canary', api_base: server.origin, ...settings }
  const entry = toDeployment({ model_name: 'm', litellm_params })
  if (!entry.ok) throw new Error(JSON.stringify(entry.issues))
  const { provider, upstreamModel } = entry.create({ outbound, clock: systemClock, newId: randomId })
  const asked: JsonObject = JSON.parse(JSON.stringify({ model: upstreamModel, ...question, ...body }))
  await provider.generate(asked, never)
  const [request] = server.requests
  if (request === undefined) throw new Error('not asked')
  return { ...request, json: JSON.stringify(request.body) }
}

describe('litellm_params', () => {
  it('add headers and fields to every request, in every dialect', async () => {
    const settings = { extra_headers: { 'x-team': 'a' }, extra_body: { provider: { order: ['x'] } } }
    for (const [model, answers] of [
      ['openai/m', openAiAnswers],
      ['anthropic/claude', anthropicAnswers],
      ['gemini/gemini', geminiAnswers],
    ] as const) {
      expect(await sent(model, { settings, answers })).toMatchObject({
        headers: { 'x-team': 'a' },
        body: { provider: { order: ['x'] } },
      })
    }
  })

  it('name the organization', async () => {
    expect((await sent('openai/m', { settings: { organization: 'org-1' } })).headers).toMatchObject({
      'openai-organization': 'org-1',
      authorization: 'Bearer sk-canary',
    })
  })

  it('drop parameters that a model refuses, and only where they say so', async () => {
    const body = { temperature: 1, logit_bias: { 1: 2 } }
    expect((await sent('openai/o3', { body })).body).toMatchObject(body)
    expect((await sent('openai/o3', { body, settings: { drop_params: true } })).body).not.toHaveProperty('temperature')
    const named = { additional_drop_params: ['logit_bias'] }
    expect((await sent('openai/gpt-4o', { body, settings: named })).body).toMatchObject({ temperature: 1 })
    expect((await sent('openai/gpt-4o', { body, settings: named })).body).not.toHaveProperty('logit_bias')
  })

  it('decide what becomes of a parameter that has no word elsewhere', async () => {
    const asking = { answers: anthropicAnswers, body: { n: 2 } }
    await expect(sent('anthropic/claude', asking)).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
      message: expect.stringContaining('"n" is not supported'),
    })
    await expect(sent('anthropic/claude', { ...asking, settings: { drop_params: true } })).resolves.toBeDefined()
  })

  it('have what the file says for all of them, and their own before it', async () => {
    const bind = (own: object) =>
      toDeployment(
        { model_name: 'm', litellm_params: { model: 'anthropic/claude', api_key: 'sk', ...own } },
        { defaults: { drop_params: true } },
      )
    const asked = { model: 'claude', ...question, n: 2 }
    const refusals = [{}, { drop_params: false }].map(async (own) => {
      await using server = await startLlmServer([anthropicAnswers.whole({ text: 'ok' })])
      const entry = bind({ api_base: server.origin, ...own })
      if (!entry.ok) throw new Error('not bound')
      const { provider } = entry.create({ outbound, clock: systemClock, newId: randomId })
      return await provider.generate(asked, never).then(
        () => 'answered',
        (error: unknown) => error,
      )
    })
    expect(await Promise.all(refusals)).toEqual(['answered', expect.objectContaining({ code: 'INVALID_REQUEST' })])
  })

  it('let a conversation begin with a user where it may be changed', async () => {
    const asking = {
      answers: anthropicAnswers,
      body: { messages: [{ role: 'assistant', content: 'Hi.' }, ...question.messages] },
    }
    const changed = await sent('anthropic/claude', { ...asking, settings: { modify_params: true } })
    expect(changed.body).toMatchObject({ messages: [{ role: 'user' }, { role: 'assistant' }, { role: 'user' }] })
    expect((await sent('anthropic/claude', asking)).body).toMatchObject({
      messages: [{ role: 'assistant' }, { role: 'user' }],
    })
  })

  it.each([
    ['ollama/llama3', {}, '/v1/chat/completions'],
    ['azure/gpt', {}, '/openai/deployments/gpt/chat/completions?api-version=2024-10-21'],
    ['hosted_vllm/org/model', {}, '/chat/completions'],
  ])('lead %s to where it is', async (model, settings, path) => {
    expect(await sent(model, { settings })).toMatchObject({ path })
  })
})

describe('Mistral', () => {
  it('is sent ids of calls and a choice as it wants them, and the same id for the same call', async () => {
    const messages = [
      ...question.messages,
      {
        role: 'assistant',
        tool_calls: [{ id: 'call_0123456789', type: 'function', function: { name: 't', arguments: '{}' } }],
      },
      { role: 'tool', tool_call_id: 'call_0123456789', content: 'x' },
    ]
    const { body } = await sent('mistral/large', {
      body: { messages, tool_choice: 'required', max_completion_tokens: 5 },
    })
    expect(body).toMatchObject({ tool_choice: 'any', max_tokens: 5 })
    const [id, answered] = JSON.stringify(body).match(/(?<="(?:id|tool_call_id)":")[^"]+/g) ?? []
    expect(id).toMatch(/^[A-Za-z0-9]{9}$/)
    expect(answered).toBe(id)
  })
})

describe('what a model thought', () => {
  const thoughtful = {
    messages: [
      ...question.messages,
      {
        role: 'assistant',
        content: null,
        thinking_blocks: [
          { type: 'thinking', thinking: 'Hmm.', signature: 'signed' },
          { type: 'redacted_thinking', data: 'sealed' },
        ],
        tool_calls: [
          {
            id: 'toolu_1',
            type: 'function',
            function: { name: 't', arguments: '{}' },
            provider_specific_fields: { thought_signature: 'signed' },
          },
        ],
      },
      { role: 'tool', tool_call_id: 'toolu_1', content: 'x' },
    ],
    tools: [{ type: 'function', function: { name: 't', parameters: {} } }],
  }

  it('goes back to Anthropic with its signature', async () => {
    const { body } = await sent('anthropic/claude', { answers: anthropicAnswers, body: thoughtful })
    expect(body['messages']).toMatchObject([
      { role: 'user' },
      {
        content: [
          { type: 'thinking', thinking: 'Hmm.', signature: 'signed' },
          { type: 'redacted_thinking', data: 'sealed' },
          { type: 'tool_use', id: 'toolu_1' },
        ],
      },
      { role: 'user' },
    ])
  })

  it('goes back to Gemini with the call that came of it', async () => {
    const { body } = await sent('gemini/gemini', { answers: geminiAnswers, body: thoughtful })
    const [, answered] = Array.isArray(body['contents']) ? body['contents'] : []
    expect(answered).toMatchObject({ role: 'model' })
    expect(JSON.stringify(answered)).toMatch(/"functionCall":.*"thoughtSignature":"signed"/)
  })

  it('is asked for as LiteLLM’s clients ask, and by effort', async () => {
    const thinking = { type: 'enabled', budget_tokens: 2_000 }
    expect(
      (await sent('anthropic/claude-sonnet-4-5', { answers: anthropicAnswers, body: { thinking, max_tokens: 4_000 } }))
        .body,
    ).toMatchObject({ thinking })
    expect((await sent('gemini/gemini-2.5-pro', { answers: geminiAnswers, body: { thinking } })).body).toMatchObject({
      generationConfig: { thinkingConfig: { thinkingBudget: 2_000, includeThoughts: true } },
    })
    const { json } = await sent('gemini/gemini-2.5-pro', { answers: geminiAnswers, body: { reasoning_effort: 'low' } })
    expect(json).toContain('thinkingConfig')
  })
})

describe('marks for a cache', () => {
  const mark = { cache_control: { type: 'ephemeral' } }
  const body = {
    messages: [
      { role: 'system', content: [{ type: 'text', text: 'Rules.', ...mark }] },
      { role: 'system', content: 'More.' },
      { role: 'user', content: [{ type: 'text', text: 'go', ...mark }] },
      { role: 'assistant', tool_calls: [{ id: 'c', type: 'function', function: { name: 't', arguments: '{}' } }] },
      { role: 'tool', tool_call_id: 'c', content: [{ type: 'text', text: 'x', ...mark }] },
    ],
    tools: [{ type: 'function', function: { name: 't', parameters: { type: 'object' } }, ...mark }],
  }

  it('go to Anthropic where they stand', async () => {
    const { body: asked } = await sent('anthropic/claude', { answers: anthropicAnswers, body })
    expect(asked).toMatchObject({
      system: [{ text: 'Rules.', ...mark }, { text: 'More.' }],
      messages: [
        { content: [{ text: 'go', ...mark }] },
        { role: 'assistant' },
        { content: [{ type: 'tool_result', ...mark }] },
      ],
      tools: [{ name: 't', ...mark }],
    })
    expect(JSON.stringify(asked).match(/cache_control/g)).toHaveLength(4)
  })

  it('are passed over by others, whose system prompt stays one', async () => {
    const { json } = await sent('gemini/gemini', { answers: geminiAnswers, body })
    expect(json).not.toContain('ephemeral')
    expect((await sent('gemini/gemini', { answers: geminiAnswers, body })).body).toHaveProperty('systemInstruction')
  })
})

describe('access tokens of Google', () => {
  const vertex = { model: 'vertex_ai/gemini', vertex_project: 'p' }

  it.each([{ vertex_location: 'x.evil.example/' }, { vertex_project: 'P/../q' }])(
    '%j is no part of an address',
    (settings) => {
      expect(toDeployment({ model_name: 'm', litellm_params: { ...vertex, ...settings } })).toMatchObject({ ok: false })
    },
  )

  it('that cannot be had are an error that shows no credential', async () => {
    const credentials = { vertex_credentials: JSON.stringify({ type: 'other', secret: 'canary' }) }
    const entry = toDeployment({ model_name: 'm', litellm_params: { ...vertex, ...credentials } })
    if (!entry.ok) throw new Error('not bound')
    const { provider } = entry.create({ outbound, clock: systemClock, newId: randomId })
    const failure: unknown = await provider
      .generate({ model: 'gemini', ...question }, never)
      .catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'CONFIGURATION_INVALID' })
    expect(`${JSON.stringify(failure)}${String(failure)}`).not.toContain('canary')
  })
})
