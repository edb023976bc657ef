import { createOutbound, type JsonObject, randomId, systemClock } from '@toolgate/core'
import { readText } from '@toolgate/testing/llm-loop'
import { completion, type Script, startLlmServer } from '@toolgate/testing/llm-server'
import { describe, expect, it } from 'vitest'
import { toDeployment } from '../deployment.ts'

const apiKey = 'sk-canary-0123456789'

async function serve(script: Script, settings: JsonObject = { api_key: apiKey }) {
  const server = await startLlmServer(script)
  const outbound = createOutbound()
  const entry = toDeployment({
    model_name: 'm',
    litellm_params: { model: 'openai/gpt', api_base: `${server.origin}/v1`, ...settings },
  })
  if (!entry.ok) throw new Error(JSON.stringify(entry.issues))
  const { provider } = entry.create({ outbound, clock: systemClock, newId: randomId })
  return {
    server,
    provider,
    async [Symbol.asyncDispose]() {
      await outbound.close()
      await server[Symbol.asyncDispose]()
    },
  }
}

const never = new AbortController().signal
const body = { model: 'gpt', messages: [], metadata: { unknown: [1, { deep: null }] } }

describe('a whole answer', () => {
  it('and its request pass untouched, unknown fields included; the key goes to its party', async () => {
    const theirs = completion({ content: 'hi', vendor: { x: [1] } }, { system_fingerprint: 'fp', extra: null })
    await using setup = await serve([{ json: theirs }])
    expect(await setup.provider.generate(body, never)).toEqual(theirs)
    expect(setup.server.requests).toMatchObject([
      { path: '/v1/chat/completions', body, headers: { authorization: `Bearer ${apiKey}` } },
    ])
  })

  it('of a server without a key is asked without one', async () => {
    await using setup = await serve([{ json: completion({ content: 'hi' }) }], {})
    await setup.provider.generate(body, never)
    expect(setup.server.requests[0]?.headers).not.toHaveProperty('authorization')
  })

  it('that is an error carries the provider’s status and body, but never the key', async () => {
    const error = { error: { message: `Incorrect API key provided: ${apiKey}`, code: 'invalid_api_key' } }
    await using setup = await serve([{ json: error, status: 401 }])
    const failure = await setup.provider.generate(body, never).catch((caught: unknown) => caught)
    expect(failure).toMatchObject({
      code: 'PROVIDER_ERROR',
      message:
        'The provider "openai" (model "gpt") answered with an error (401): Incorrect API key provided: [redacted]',
      details: { provider: { status: 401, body: { error: { code: 'invalid_api_key' } } } },
    })
    expect(JSON.stringify(failure)).not.toContain(apiKey)
  })

  it.each([{ text: '<html>' }, { json: JSON.parse('[]') }])(
    'that is no completion (%j) is a protocol error',
    async (odd) => {
      await using setup = await serve([odd])
      await expect(setup.provider.generate(body, never)).rejects.toMatchObject({ code: 'PROVIDER_PROTOCOL' })
    },
  )

  it('that never comes is a time-out', async () => {
    await using setup = await serve([{ hang: true }], { timeout: 0.05 })
    await expect(setup.provider.generate(body, never)).rejects.toMatchObject({ code: 'PROVIDER_TIMEOUT' })
  })

  it('of a server that is not there is unreachable, naming provider and model', async () => {
    const setup = await serve([{ hang: true }])
    await setup.server[Symbol.asyncDispose]()
    await expect(setup.provider.generate(body, never)).rejects.toMatchObject({
      code: 'PROVIDER_UNREACHABLE',
      message: 'The provider "openai" (model "gpt") cannot be reached. Try again later.',
    })
    await setup[Symbol.asyncDispose]()
  })

  it('is no longer waited for when the client goes, down to the socket', async () => {
    await using setup = await serve([{ hang: true }])
    const client = new AbortController()
    const asked = setup.provider.generate(body, client.signal)
    await setup.server.arrived(1)
    client.abort()
    await expect(asked).rejects.toMatchObject({ code: 'CANCELLED' })
    await expect.poll(() => setup.server.abandoned).toBe(1)
  })
})

describe('a stream', () => {
  const events = [
    'data: {"id":"x","choices":[],"odd":  [1]}\r\n\r\n',
    ': comment\n\n',
    'event: vendor\ndata: ü\n\n',
    'data: [DONE]\n\n',
  ]

  it('is relayed byte for byte', async () => {
    await using setup = await serve([{ events }])
    expect(await readText(await setup.provider.stream({ ...body, stream: true }, never))).toBe(events.join(''))
    expect(setup.server.requests[0]?.body).toEqual({ ...body, stream: true })
  })

  it('shows no key in an error event, and changes nothing else', async () => {
    const says = (words: string) => `data: {"choices":[{"delta":{"content":"${words} ü \\"error\\""}}]}\r\n\r\n`
    const fails = (words: string) => `event: error\ndata: {"error":{"message":"bad key: ${words}"}}\n\n`
    await using setup = await serve([
      { events: [says(apiKey), fails(apiKey).slice(0, 60), fails(apiKey).slice(60) + says(apiKey), 'data: rest'] },
    ])
    expect(await readText(await setup.provider.stream(body, never))).toBe(
      `${says(apiKey)}${fails('[redacted]')}${says(apiKey)}data: rest`,
    )
  })

  it('that cannot be opened is the provider’s error, before any byte', async () => {
    await using setup = await serve([{ json: { error: { message: 'slow down' } }, status: 429 }])
    await expect(setup.provider.stream(body, never)).rejects.toMatchObject({
      code: 'PROVIDER_ERROR',
      details: { provider: { status: 429 } },
    })
  })

  it('that breaks off fails instead of ending', async () => {
    await using setup = await serve([{ events, afterwards: 'cut' }])
    await expect(readText(await setup.provider.stream(body, never))).rejects.toMatchObject({
      code: 'PROVIDER_UNREACHABLE',
    })
  })

  it('that the reader leaves is closed at the provider', async () => {
    await using setup = await serve([{ events: ['data: 1\n\n', 'data: 2\n\n'], afterwards: 'stay' }])
    for await (const _ of await setup.provider.stream(body, never)) break
    await expect.poll(() => setup.server.abandoned).toBe(1)
  })
})
