import { createOutbound, type JsonObject } from '@toolgate/core'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { countingIds } from '@toolgate/testing/llm-loop'
import { describe, expect, it } from 'vitest'
import { toDeployment } from './deployment.ts'

const entry = (parameters: JsonObject) => ({ model_name: 'm', litellm_params: { api_key: 'sk-canary', ...parameters } })
const options = { outbound: createOutbound(), clock: fakeClock(), newId: countingIds() }

function problemsOf(one: object) {
  const bound = toDeployment(one)
  return bound.ok ? [] : bound.issues
}

describe('an entry of model_list', () => {
  it.each([
    [{ model: 'openai/gpt-4o' }, 'openai', 'gpt-4o'],
    [{ model: 'openai/org/model', api_base: 'http://127.0.0.1:1' }, 'openai', 'org/model'],
    [{ model: 'org/model', custom_llm_provider: 'openai' }, 'openai', 'org/model'],
    [{ model: 'anthropic/claude-x' }, 'anthropic', 'claude-x'],
    [{ model: 'claude-3-haiku-20240307' }, 'anthropic', 'claude-3-haiku-20240307'],
    [{ model: 'gpt-4o' }, 'openai', 'gpt-4o'],
    [{ model: 'o3-mini' }, 'openai', 'o3-mini'],
    [{ model: 'mock/tool-caller' }, 'mock', 'tool-caller'],
    [{ model: 'openai/*' }, 'openai', '*'],
  ])('%j is placed at %s as %s', (parameters, providerType, upstreamModel) => {
    const deployment = toDeployment(entry(parameters))
    expect(deployment).toMatchObject({ ok: true, modelName: 'm', providerType })
    expect(deployment.ok && deployment.create(options)).toMatchObject({
      upstreamModel,
      provider: { type: providerType },
    })
  })

  it.each([
    ['gemini-2.5-pro', '"gemini-2.5-pro" names no provider and its name tells none'],
    ['sagemaker/x', '"sagemaker/x": the provider "sagemaker" is not supported'],
    ['llama-3', '"llama-3" names no provider and its name tells none'],
  ])('%s is an error when loaded that names what is supported', (model, problem) => {
    const [issue] = problemsOf(entry({ model }))
    expect(issue?.path).toEqual(['litellm_params', 'model'])
    expect(issue?.message).toContain(`${problem}. Supported are openai/…, anthropic/…, azure/…, `)
    expect(issue?.message).toContain("any server that speaks OpenAI's dialect is openai/… with its api_base")
  })

  it('needs a key where its provider does, from the entry or by default', () => {
    const keyless = { model_name: 'm', litellm_params: { model: 'gpt-4o' } }
    expect(toDeployment(keyless)).toMatchObject({ ok: false, issues: [{ path: ['litellm_params', 'api_key'] }] })
    const lookup = (variable: string) => (variable === 'OPENAI_API_KEY' ? 'sk-default' : undefined)
    expect(toDeployment(keyless, { lookup })).toMatchObject({ ok: true })
  })

  it.each([
    [{ model: 'openai/x', api_base: 'nonsense' }, 'api_base'],
    [{ model: 'openai/x', timeout: 'soon' }, 'timeout'],
    [{ model: 'openai/x', api_key: '' }, 'api_key'],
    [{ model: 'openai/x', weight: 'much' }, 'weight'],
    [{ model: 'openai/x', max_parallel_requests: 0 }, 'max_parallel_requests'],
  ])('%j is an error at its path that shows no key', (parameters, field) => {
    const deployment = toDeployment(entry(parameters))
    expect(deployment).toMatchObject({ ok: false, issues: [{ path: ['litellm_params', field] }] })
    expect(JSON.stringify(deployment)).not.toContain('sk-canary')
  })

  it.each([
    ['api_bse', 'api_base'],
    ['apikey', 'api_key'],
    ['aws_regoin_name', 'aws_region_name'],
    ['max_paralel_requests', 'max_parallel_requests'],
  ])('%s is refused: without it the entry would be another one', (key, meant) => {
    expect(problemsOf(entry({ model: 'openai/x', [key]: 'https://llm.example.com' }))).toMatchObject([
      { path: ['litellm_params', key], message: `is not a known key; did you mean ${meant}?` },
    ])
  })

  it("takes LiteLLM's own words for what they are", () => {
    const words =
      'mode top_p top_k max_tokens max_retries num_retries tags user stop seed tpm_limit base_model model_id region_name models itpm otpm'
    const settings = Object.fromEntries(words.split(' ').map((word) => [word, 1]))
    expect(toDeployment(entry({ model: 'openai/x', ...settings }))).toMatchObject({ ok: true })
  })

  it('warns of every setting that nothing acts on', () => {
    expect(toDeployment(entry({ model: 'gpt-4o', weird: 5, cache_control_injection_points: true }))).toMatchObject({
      warnings: [
        'litellm_params.weird is accepted and not acted on by the provider "openai"',
        'litellm_params.cache_control_injection_points is accepted and not acted on by the provider "openai"',
      ],
    })
  })

  it.each([{}, { model_name: 'm' }, { model_name: '', litellm_params: { model: 'x' } }, null])(
    '%j is refused',
    (odd) => {
      expect(toDeployment(odd)).toMatchObject({ ok: false })
    },
  )
})
