import { isJsonObject, type JsonObject } from '@toolgate/core'
import { completion, completionEvents } from '@toolgate/testing/llm-server'
import { readChatEvents } from '@toolgate/testing/llm-loop'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verifies } from '../verifies.ts'
import { type ChatWorld, startChatWorld } from './chat-world.ts'

/** Personal data that a stream cuts, spells or hides, in each provider's own way. */
const behind = new AsyncDisposableStack()
let world: ChatWorld
beforeAll(async () => {
  const pii = { guardrail: 'pii', mode: ['pre_call', 'post_call'], default_on: true }
  world = behind.use(
    await startChatWorld({
      config: { guardrails: [{ guardrail_name: 'pii', litellm_params: pii }] },
      models: ({ origin }) => [
        { model_name: 'claude', litellm_params: { model: 'anthropic/c', api_base: origin, api_key: 'sk-p' } },
        { model_name: 'gemini', litellm_params: { model: 'gemini/g', api_base: origin, api_key: 'sk-p' } },
      ],
    }),
  )
})
afterAll(() => behind.disposeAsync())

const play = (...events: object[]) =>
  world.play({ events: events.map((event) => `data: ${JSON.stringify(event)}\n\n`) })
const textOf = async (path: string, body: object) => (await world.gateway.request(path, { body })).text()
const chat = (more: object = { stream: true }) =>
  textOf('/v1/chat/completions', { model: 'gpt', messages: [{ role: 'user', content: 'go' }], ...more })
const contents = [{ role: 'user', parts: [{ text: 'go' }] }]
const gemini = (action: string) => textOf(`/v1beta/models/gemini:${action}`, { contents })
const candidate = (text: string, more: object = {}) => ({
  candidates: [{ content: { role: 'model', parts: [{ text }] }, index: 0, ...more }],
})
/** What a chat stream says. */
async function said(text: string): Promise<string> {
  world.play({ events: completionEvents(completion({ content: text })) })
  const events = await readChatEvents(ReadableStream.from([Buffer.from(await chat())]))
  return events.filter(isJsonObject).flatMap(contentsOf).join('')
}
const contentsOf = ({ choices }: JsonObject) =>
  (Array.isArray(choices) ? choices : []).map((choice) => {
    const delta = isJsonObject(choice) ? choice['delta'] : undefined
    return isJsonObject(delta) && typeof delta['content'] === 'string' ? delta['content'] : ''
  })

describe('a guarded stream', () => {
  verifies('guardrails:streams', 'is judged across what Google tells of each piece', async () => {
    const groundingMetadata = { webSearchQueries: ['who is it'] }
    const safetyRatings = [{ category: 'HARM_CATEGORY_HARASSMENT', probability: 'NEGLIGIBLE' }]
    play(
      candidate('mail ann.lee@exam', { groundingMetadata, safetyRatings }),
      candidate('ple.com now', { groundingMetadata, safetyRatings }),
      candidate('.', { finishReason: 'STOP' }),
    )
    const text = await gemini('streamGenerateContent?alt=sse')
    expect(text).toContain('mail <EMAIL_ADDRESS> now')
    expect(text).not.toContain('ann.lee')
    expect(text.split('who is it')).toHaveLength(3)
  })

  verifies(
    'guardrails:streams',
    'is judged across pieces that each say how it finished, or that it did not',
    async () => {
      play(candidate('mail ann.lee@exam', { finishReason: 'STOP' }), candidate('ple.com now', { finishReason: 'STOP' }))
      expect(await gemini('streamGenerateContent?alt=sse')).toContain('mail <EMAIL_ADDRESS> now')
      const piece = (content: string, finish_reason: string) => ({
        choices: [{ index: 0, delta: { content }, finish_reason }],
      })
      play(piece('mail ann.lee@exam', ''), piece('ple.com now', ''), piece('.', 'stop'))
      const text = await chat()
      expect(text).toContain('mail <EMAIL_ADDRESS> now')
      expect(text).not.toContain('ple.com')
    },
  )

  verifies('guardrails:streams', 'is judged across what is told of a passage in its middle', async () => {
    const of = { item_id: 'm', output_index: 0, content_index: 0 }
    const delta = (piece: string) => ({ type: 'response.output_text.delta', ...of, delta: piece })
    const annotation = { type: 'url_citation', url: 'https://a.test/', title: 'T' }
    const response = { id: 'r', object: 'response', output: [] }
    play(
      { type: 'response.created', response },
      delta('mail ann.lee@exam'),
      { type: 'response.output_text.annotation.added', ...of, annotation },
      delta('ple.com now'),
      { type: 'response.output_text.done', ...of, text: 'mail ann.lee@example.com now' },
      { type: 'response.completed', response },
    )
    const text = await textOf('/v1/responses', { model: 'gpt', stream: true, input: 'go' })
    expect(text.split('mail <EMAIL_ADDRESS> now')).toHaveLength(3)
    expect(text).not.toContain('ann.lee')
    expect(text).toContain('"title":"T"')
  })

  verifies('guardrails:streams', 'is judged from where a block of Anthropic’s begins', async () => {
    play(
      { type: 'message_start', message: { id: 'm', type: 'message', role: 'assistant', content: [] } },
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: 'mail ann.lee@exam' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'ple.com now' } },
      { type: 'content_block_stop', index: 0 },
      { type: 'message_delta', delta: { stop_reason: 'end_turn' } },
      { type: 'message_stop' },
    )
    const messages = [{ role: 'user', content: 'go' }]
    const text = await textOf('/v1/messages', { model: 'claude', max_tokens: 9, stream: true, messages })
    expect(text).toContain('mail <EMAIL_ADDRESS> now')
    expect(text).not.toContain('ann.lee')
  })

  verifies('guardrails:streams', 'says nothing unjudged beside its pieces either', async () => {
    const choice = { index: 0, delta: { content: 'hi' }, message: { content: 'mail ann.lee@example.com' } }
    play({ id: 'x', object: 'chat.completion.chunk', choices: [choice] }, { id: 'x', choices: ['ann.lee@example.com'] })
    const text = await chat()
    expect(text).toContain('mail <EMAIL_ADDRESS>')
    expect(text).not.toContain('ann.lee')
  })

  verifies(
    'guardrails:streams',
    'is judged across the messages that some servers send in place of deltas',
    async () => {
      const message = (content: string, finish_reason: string | null = null) => ({
        id: 'x',
        choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason }],
      })
      play(message('mail ann.lee@exam'), message('ple.com now'), message('', 'stop'))
      const text = await chat()
      expect(text).toContain('mail <EMAIL_ADDRESS> now')
      expect(text).not.toContain('ann.lee')
    },
  )

  verifies('guardrails:streams', 'may be one document, which is judged as an answer', async () => {
    for (const indent of [0, 2]) {
      world.play({ text: JSON.stringify(completion({ content: 'mail ann.lee@example.com' }), null, indent) })
      expect(JSON.parse(await chat())).toMatchObject({ choices: [{ message: { content: 'mail <EMAIL_ADDRESS>' } }] })
    }
    const document = JSON.stringify(completion({ content: 'nothing' }), null, 2)
    world.play({ text: document })
    expect(await chat()).toBe(document)
  })

  verifies('guardrails:streams', 'hides what nobody sees between the characters in no longer text', async () => {
    for (const between of ['\u200b', '\u034f', '\u{e0041}']) {
      const card = '4111111111111111'.split('').join(between.repeat(12))
      for (let before = 60; before <= 260; before += 20) {
        const around = 'x '.repeat(before / 2)
        expect(await said(`${around}${card} ${'x '.repeat(200)}`)).toBe(`${around}<CREDIT_CARD> ${'x '.repeat(200)}`)
      }
    }
  })
})

describe('an answer with probabilities', () => {
  const logprobsResult = { chosenCandidates: ['ann.lee', '@example', '.com'].map((token) => ({ token })) }

  verifies('guardrails:models', 'does not spell in Google’s words what was masked', async () => {
    world.play({ json: candidate('mail ann.lee@example.com', { logprobsResult }) })
    expect(await gemini('generateContent')).not.toContain('ann.lee')
    play(candidate('mail ann.lee@example.com', { logprobsResult, finishReason: 'STOP' }))
    const text = await gemini('streamGenerateContent?alt=sse')
    expect(text).toContain('mail <EMAIL_ADDRESS>')
    expect(text).not.toContain('ann.lee')
  })

  it('keeps them where nothing was masked', async () => {
    world.play({ json: candidate('nothing', { logprobsResult }) })
    expect(await gemini('generateContent')).toContain('chosenCandidates')
  })
})

describe('a text in a text', () => {
  verifies('guardrails:models', 'is read through the escapes that JSON is written with', async () => {
    world.play(completion({ content: 'ok' }))
    const once = JSON.stringify({ mail: 'ann.lee@example.com', phone: '+4915112345678' })
      .replace('@', String.raw`\u0040`)
      .replace('+', String.raw`\u002B`)
    await chat({ messages: [{ role: 'user', content: `${once} ${JSON.stringify(once)}` }] })
    const masked = { mail: '<EMAIL_ADDRESS>', phone: '<PHONE_NUMBER>' }
    const shown = `${JSON.stringify(masked)} ${JSON.stringify(JSON.stringify(masked))}`
    expect(world.asked[0]).toMatchObject({ messages: [{ content: shown }] })
  })
})
