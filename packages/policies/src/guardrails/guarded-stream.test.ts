import { GatewayError, isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import { readChatEvents, readText } from '@toolgate/testing/llm-loop'
import * as fc from 'fast-check'
import { threadTimeOf } from '@toolgate/testing/thread-time'
import { describe, expect, it } from 'vitest'
import { build } from './guardrails.fixture.ts'
import { guardStream } from './guarded-stream.ts'
import type { Guardrail, TextSlot } from './guardrail.ts'

const chunk = (delta: JsonObject, rest: JsonObject = {}) =>
  `data: ${JSON.stringify({ id: 'c', choices: [{ index: 0, delta, finish_reason: null, ...rest }] })}\n\n`

async function* streamOf(events: readonly string[], onRead: () => void = () => {}) {
  for (const event of events) {
    onRead()
    yield Buffer.from(event)
  }
}

function checkWith(guardrail: Guardrail) {
  return async (slots: readonly TextSlot[]) => {
    const about = { callId: 'c', traceId: 't', caller: { keyHash: 'h' } }
    const verdict = await guardrail.check({ slots, mode: 'post_call', ...about }, new AbortController().signal)
    if (verdict.outcome === 'denied') throw new GatewayError('GUARDRAIL_DENIED', verdict.reason)
    return verdict.outcome === 'changed' ? verdict.texts : undefined
  }
}

const filter = build({
  guardrail: 'litellm_content_filter',
  patterns: [{ pattern_type: 'regex', name: 'code', pattern: 'PRJ-\\d{4}', action: 'MASK' }],
  stream_window: 16,
}).guardrail

const contentOf = (choice: JsonValue) => {
  const delta = isJsonObject(choice) ? choice['delta'] : undefined
  const content = isJsonObject(delta) ? delta['content'] : undefined
  return typeof content === 'string' ? content : ''
}
const saidIn = async (bytes: AsyncIterable<Uint8Array>) =>
  (await readChatEvents(bytes))
    .flatMap((event) => (isJsonObject(event) && Array.isArray(event['choices']) ? event['choices'] : []))
    .map(contentOf)
    .join('')

describe('a stream that is judged', () => {
  it('says what the whole answer would say, however it is cut', async () => {
    const word = fc.oneof(fc.constantFrom('PRJ-1234', 'PRJ-12', ' ', 'and ', '-99'), fc.string({ maxLength: 6 }))
    const cuts = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 40 })
    await fc.assert(
      fc.asyncProperty(fc.array(word, { maxLength: 25 }), cuts, async (words, sizes) => {
        const whole = words.join('')
        const pieces: string[] = []
        for (let at = 0, turn = 0; at < whole.length; turn += 1) {
          const size = sizes[turn % sizes.length] ?? 1
          pieces.push(whole.slice(at, at + size))
          at += size
        }
        const events = [
          ...pieces.map((content) => chunk({ content })),
          chunk({}, { finish_reason: 'stop' }),
          'data: [DONE]\n\n',
        ]
        const check = checkWith(filter)
        const judged = guardStream(streamOf(events), { check, window: filter.window ?? 0 })
        const expected = whole === '' ? undefined : await check([{ text: whole, structured: false }])
        expect(await saidIn(judged)).toBe(expected?.[0] ?? whole)
      }),
      { numRuns: 200 },
    )
  })

  it('is not outrun by characters that nobody sees', async () => {
    const { guardrail } = build({ guardrail: 'pii' })
    const padding = '\u200B'.repeat(50)
    const pieces = ['write to ann', ...Array.from({ length: 20 }, () => padding), '.lee@example.com']
    const events = [...pieces.map((content) => chunk({ content })), chunk({}, { finish_reason: 'stop' })]
    const said = await saidIn(
      guardStream(streamOf(events), { check: checkWith(guardrail), window: guardrail.window ?? 0 }),
    )
    expect(said).toBe('write to <EMAIL_ADDRESS>')
  })

  it('holds back its window and not more', async () => {
    const events = Array.from({ length: 40 }, (_, at) => chunk({ content: `word${at % 10} ` }))
    let read = 0
    const judged = guardStream(
      streamOf(events, () => void (read += 1)),
      { check: checkWith(filter), window: 16 },
    )
    const first = await judged.next()
    expect(first.done).toBe(false)
    expect(read).toBeLessThan(10)
    await judged.return(undefined)
  })

  it('passes on nothing of what it denies, and nothing after it', async () => {
    const denying = build({ guardrail: 'litellm_content_filter', blocked_words: [{ keyword: 'forbidden' }] }).guardrail
    const events = [
      chunk({ content: 'this is for' }),
      chunk({ content: 'bidden' }),
      chunk({}, { finish_reason: 'stop' }),
    ]
    const judged = guardStream(streamOf(events), { check: checkWith(denying), window: denying.window ?? 0 })
    await expect(readText(judged)).rejects.toMatchObject({ code: 'GUARDRAIL_DENIED' })
  })

  it('masks arguments of calls and texts that are said once more at the end, in every dialect', async () => {
    const code = 'PRJ-1234'
    const typed = (event: JsonObject & { type: string }) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`
    const events = [
      typed({ type: 'response.output_text.delta', item_id: 'i', delta: 'PRJ-' }),
      typed({ type: 'response.output_text.delta', item_id: 'i', delta: '1234' }),
      typed({ type: 'response.output_text.done', item_id: 'i', text: code }),
      typed({ type: 'response.completed', response: { output: [{ content: [{ type: 'output_text', text: code }] }] } }),
      typed({
        type: 'content_block_delta',
        index: 0,
        delta: { type: 'input_json_delta', partial_json: `{"a":"PRJ-1` },
      }),
      typed({ type: 'content_block_delta', index: 0, delta: { type: 'input_json_delta', partial_json: `234"}` } }),
      typed({ type: 'content_block_stop', index: 0 }),
      chunk({ tool_calls: [{ index: 0, id: code, function: { name: 'f', arguments: 'PRJ-' } }] }),
      chunk({ tool_calls: [{ index: 1, id: 'x', function: { name: 'g', arguments: 'PRJ-99' } }] }),
      chunk({ tool_calls: [{ index: 0, function: { arguments: '1234' } }] }),
      chunk({ tool_calls: [{ index: 1, function: { arguments: '99' } }] }),
      chunk({}, { finish_reason: 'tool_calls' }),
    ]
    const gemini = (parts: JsonObject[], rest: JsonObject = {}) =>
      `data: ${JSON.stringify({ candidates: [{ index: 0, content: { role: 'model', parts }, ...rest }] })}\n\n`
    events.push(
      gemini([{ text: 'PRJ-' }]),
      gemini([{ text: '1234' }]),
      gemini([{ functionCall: { name: 'f', args: { a: 'PRJ-1234' } } }], { finishReason: 'STOP' }),
      `data: ${JSON.stringify({ strange: { text: 'PRJ-1234' } })}\n\n`,
    )
    const text = await readText(guardStream(streamOf(events), { check: checkWith(filter), window: 16 }))
    expect(text.match(/\[CODE_REDACTED\]/g)).toHaveLength(9)
    // Ids are no texts.
    expect(text.match(/PRJ-1234/g)).toHaveLength(1)
    expect(text).not.toMatch(/PRJ-99|"PRJ-"/)
    expect(text.indexOf('response.output_text.delta')).toBeLessThan(text.indexOf('response.completed'))
  })

  it('judges arguments value by value when all of them are there, and changes nothing else in them', async () => {
    const written = String.raw`{"text":"Code:\nPRJ-1234", "big":123456789012345678901, "PRJ-1234":1}`
    const events = Array.from(written, (character) =>
      chunk({ tool_calls: [{ index: 0, function: { arguments: character } }] }),
    )
    const shown = await readText(guardStream(streamOf(events), { check: checkWith(filter), window: 16 }))
    const said = JSON.stringify(written.replace('PRJ-1234', '[CODE_REDACTED]'))
    expect(shown).toContain(`"arguments":${said}`)
  })

  it('does not cut a text where another choice, block or item ends', async () => {
    const typed = (event: JsonObject) => `data: ${JSON.stringify(event)}\n\n`
    const choices = (...rest: JsonObject[]) => typed({ choices: rest })
    const events = [
      choices({ index: 0, delta: { content: 'PRJ-' } }, { index: 1, delta: { content: 'b' } }),
      choices({ index: 1, delta: {}, finish_reason: 'stop' }),
      choices({ index: 0, delta: { content: '1234' }, finish_reason: 'stop' }),
      typed({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'PRJ-' } }),
      typed({ type: 'content_block_stop', index: 1 }),
      typed({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: '1234' } }),
      typed({ type: 'response.output_text.delta', output_index: 0, item_id: 'a', delta: 'PRJ-' }),
      typed({ type: 'response.output_item.done', output_index: 1, item: {} }),
      typed({ type: 'response.output_text.delta', output_index: 0, item_id: 'a', delta: '1234' }),
      typed({ candidates: [{ content: { parts: [{ text: 'PRJ-' }] } }, { content: { parts: [{ text: 'b' }] } }] }),
      typed({ candidates: [{ content: { parts: [] } }, { finishReason: 'STOP' }] }),
      typed({ candidates: [{ content: { parts: [{ text: '1234' }] } }, {}] }),
    ]
    const text = await readText(guardStream(streamOf(events), { check: checkWith(filter), window: 16 }))
    expect(text.match(/\[CODE_REDACTED\]/g)).toHaveLength(4)
    expect(text).not.toMatch(/PRJ-|1234/)
  })

  it('is collected for a guardrail of whole answers in time that grows with its length', async () => {
    const timeOf = async (count: number) => {
      const events = Array.from({ length: count }, () => chunk({ content: 'word ' }))
      let checks = 0
      const check = async () => void (checks += 1)
      const options = { check, window: Number.POSITIVE_INFINITY }
      const ms = await threadTimeOf(() => readText(guardStream(streamOf(events), options)))
      expect(checks).toBe(1)
      return ms
    }
    await timeOf(1_000)
    const half = await timeOf(10_000)
    expect(await timeOf(20_000)).toBeLessThan(half * 3 + 300)
  })

  it('says nothing once more in the probabilities of tokens', async () => {
    const spelt = { logprobs: { content: [{ token: 'PRJ-' }, { token: '1234' }] } }
    const events = [chunk({ content: 'PRJ-1234' }, spelt), chunk({}, { finish_reason: 'stop' })]
    const text = await readText(guardStream(streamOf(events), { check: checkWith(filter), window: 16 }))
    expect(text).toContain('"logprobs":null')
    expect(text).not.toContain('1234')
  })

  it('ends with its last event also where that lacks its blank line, and shows comments without their words', async () => {
    const events = [': PRJ-1234\n\n', chunk({ content: 'a' }), 'data: broken PRJ-1234\n\n', 'data: [DONE]\n']
    const text = await readText(guardStream(streamOf(events), { check: checkWith(filter), window: 16 }))
    expect(text).toBe(`:\n\n${chunk({ content: 'a' })}data: broken [CODE_REDACTED]\n\ndata: [DONE]\n\n`)
  })

  it('keeps events without text in their order, and what it cannot read', async () => {
    const events = [
      'data: odd\n\n',
      'event: ping\ndata: {"type":"ping"}\n\n',
      chunk({ content: 'a' }),
      'data: [DONE]\n\n',
    ]
    const text = await readText(guardStream(streamOf(events), { check: checkWith(filter), window: 16 }))
    expect(text).toBe(events.join(''))
  })
})
