import { isJsonObject, type JsonObject, type JsonValue } from '@toolgate/core'
import { type SdkMcpServer, startMcpServer } from '@toolgate/testing/mcp-server'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { verifies } from '../verifies.ts'
import { gemini } from './chat-models.ts'
import { mcp } from './chat-world.ts'
import { startToolWorld, type ToolWorld } from './tool-world.ts'

/** The tool loop behind `/v1beta` on a Gemini model: every round is in Gemini's dialect. */
const behind = new AsyncDisposableStack()
let world: ToolWorld<SdkMcpServer>
beforeAll(async () => {
  world = behind.use(await startToolWorld(startMcpServer, { models: (llm) => [gemini(llm)] }))
})
afterAll(() => behind.disposeAsync())

const usage = { promptTokenCount: 10, candidatesTokenCount: 5, totalTokenCount: 15, trafficType: 'ON_DEMAND' }
const answer = (parts: JsonObject[]): JsonObject => ({
  candidates: [{ content: { role: 'model', parts }, finishReason: 'STOP', index: 0, safetyRatings: ['odd'] }],
  usageMetadata: usage,
  modelVersion: 'gemini-fake',
  responseId: 'r1',
})

/** A piece for each part, and the finish with the last of them. */
function piecesOf(parts: JsonObject[]): string[] {
  return parts.map((part, at) => {
    const { candidates, ...rest } = answer([part])
    const [{ finishReason, ...candidate } = {}] = Array.isArray(candidates) ? candidates.filter(isJsonObject) : []
    const isLast = at === parts.length - 1
    const piece = { ...rest, candidates: [{ ...candidate, ...(isLast && { finishReason }) }] }
    return `data: ${JSON.stringify(piece)}\r\n\r\n`
  })
}

const question = { role: 'user', parts: [{ text: 'go', odd: { kept: true } }] }
const declared = { name: 'get_weather', parameters: { type: 'OBJECT', properties: {} }, behavior: 'BLOCKING' }
const thought = { text: 'I think.', thought: true }
const text = (words: string) => ({ text: words })
const use = (name: string, args: JsonObject, id?: string) => ({ functionCall: { ...(id && { id }), name, args } })
const echo = { ...use('srv-echo', { message: 'hi' }, 'g1'), thoughtSignature: 'c2lnbmVk' }
const unknown = { executableCode: { language: 'PYTHON', code: '1' }, thoughtSignature: 'Y29kZQ==' }

const partsIn = (said: JsonObject): JsonObject[] => {
  const [{ content } = {}] = Array.isArray(said['candidates']) ? said['candidates'].filter(isJsonObject) : []
  return isJsonObject(content) && Array.isArray(content['parts']) ? content['parts'].filter(isJsonObject) : []
}
const contentsOf = (body: JsonObject | undefined): JsonValue[] =>
  Array.isArray(body?.['contents']) ? body['contents'] : []

describe.each([false, true])('a request with gateway tools to Gemini, streamed: %s', (streamed) => {
  const played = (...rounds: JsonObject[][]) =>
    world.play(...rounds.map((parts) => (streamed ? { events: piecesOf(parts) } : { json: answer(parts) })))

  /** The answer, its pieces joined: those with nothing to say are left out. */
  async function ask(request: object = {}): Promise<JsonObject & { parts: JsonObject[] }> {
    const body = { contents: [question], tools: [{ functionDeclarations: [declared] }, ...mcp()], ...request }
    const action = streamed ? 'streamGenerateContent?alt=sse' : 'generateContent'
    const response = await world.gateway.request(`/v1beta/models/gemini:${action}`, { body })
    const said = await response.text()
    if (!response.ok) throw new Error(said)
    const pieces: JsonObject[] = streamed
      ? said
          .trim()
          .split('\n\n')
          .map((event) => JSON.parse(event.slice('data: '.length)))
      : [JSON.parse(said)]
    const parts = pieces.flatMap(partsIn).filter((part) => part['text'] !== '')
    return { ...pieces.at(-1), parts }
  }

  verifies('gemini:native-rounds', 'goes on with what the model signed and with fields nobody knows', async () => {
    const first = [thought, unknown, { ...text('I look.'), thoughtSignature: 'dGV4dA==' }, echo]
    played(first, [text('It says hi.')])
    const settings = { safetySettings: [{ category: 'C' }], cachedContent: 'cachedContents/1', odd: [1] }
    const final = await ask(settings)
    expect(world.llm.requests.at(-1)?.path).toMatch(/^\/v1beta\/models\/gemini-fake:/)
    expect(world.asked[1]).toMatchObject(settings)
    expect(contentsOf(world.asked[1])).toEqual([
      question,
      { role: 'model', parts: first },
      { role: 'user', parts: [{ functionResponse: { id: 'g1', name: 'srv-echo', response: { output: 'hi' } } }] },
    ])
    const [{ functionDeclarations: offered } = {}, ...others] = Array.isArray(world.asked[1]?.['tools'])
      ? world.asked[1]['tools'].filter(isJsonObject)
      : []
    expect(others).toEqual([])
    expect(Array.isArray(offered) && offered[0]).toEqual(declared)
    expect(offered).toContainEqual(expect.objectContaining({ name: 'srv-echo' }))
    expect(final.parts).toEqual([...first.slice(0, 3), text('\n\n'), text('It says hi.')])
    expect(final).toMatchObject({
      candidates: [{ finishReason: 'STOP', safetyRatings: ['odd'] }],
      usageMetadata: { promptTokenCount: 20, totalTokenCount: 30, trafficType: 'ON_DEMAND' },
    })
  })

  verifies('gemini:native-rounds', 'hands the client its own calls, and goes on with all of them', async () => {
    const own = { ...use('get_weather', { city: 'Bern' }, 'g3'), thoughtSignature: 'b3du' }
    played([echo], [thought, use('srv-count', { steps: 1 }, 'g2'), own])
    const final = await ask()
    expect(final.parts).toMatchObject([thought, { functionCall: { name: 'get_weather' }, thoughtSignature: 'b3du' }])

    played([text('It rains.')])
    const call = final.parts.flatMap((part) => (isJsonObject(part['functionCall']) ? [part['functionCall']] : []))[0]
    const id = call?.['id'] ?? ''
    const rain = { functionResponse: { id, name: 'get_weather', response: { output: 'rain' } } }
    const contents = [question, { role: 'model', parts: final.parts }, { role: 'user', parts: [rain] }]
    expect((await ask({ contents })).parts).toEqual([text('It rains.')])
    const sent = contentsOf(world.asked[0])
    expect(sent).toHaveLength(5)
    expect(sent[1]).toEqual({ role: 'model', parts: [echo] })
    expect(sent[3]).toMatchObject({ parts: [thought, { functionCall: { id: 'g2' } }, { functionCall: { id } }] })
    expect(sent[4]).toMatchObject({
      role: 'user',
      parts: [{ functionResponse: { id: 'g2', response: { output: 'counted to 1' } } }, rain],
    })
  })

  verifies('gemini:native-rounds', 'answers calls without ids in their order, and without ids', async () => {
    const calls = [use('srv-echo', { message: 'a' }), use('srv-fail', {})]
    played(calls, [text('ok')])
    await ask()
    expect(contentsOf(world.asked[1]).slice(1)).toEqual([
      { role: 'model', parts: calls },
      {
        role: 'user',
        parts: [
          { functionResponse: { name: 'srv-echo', response: { output: 'a' } } },
          { functionResponse: { name: 'srv-fail', response: { error: expect.stringContaining('did not work') } } },
        ],
      },
    ])
  })

  verifies('gemini:native-rounds', 'answers in one document where it is asked for one', async () => {
    played([text('Let me see.'), echo], [text('{"a":'), text('1}')])
    const final = await ask({ generationConfig: { responseMimeType: 'application/json' } })
    expect(final.parts.reduce((all, part) => `${all}${JSON.stringify(part['text'])}`, '')).toMatch(
      /^"\{\\"a\\":(?:"")?1\}"$/,
    )
  })

  verifies('gemini:native-rounds', 'answers at a bound with its tools declared and none to call', async () => {
    played([echo], [text('That is all.')])
    const calling = { mode: 'ANY', allowedFunctionNames: ['srv-echo'], streamFunctionCallArguments: true }
    const toolConfig = { functionCallingConfig: calling, retrievalConfig: { languageCode: 'de' } }
    const final = await ask({ mcp_limits: { max_rounds: 1 }, toolConfig })
    expect(world.asked[0]).toMatchObject({ toolConfig: { functionCallingConfig: { mode: 'ANY' } } })
    expect(JSON.stringify(world.asked[0])).not.toContain('streamFunctionCallArguments')
    expect(world.asked[1]).toMatchObject({
      toolConfig: { functionCallingConfig: { mode: 'NONE' }, retrievalConfig: { languageCode: 'de' } },
    })
    expect(world.asked[1]?.['tools']).toEqual(world.asked[0]?.['tools'])
    expect(final).toMatchObject({
      parts: [text('That is all.')],
      provider_specific_fields: { mcp_limit_reached: 'rounds' },
    })
  })

  verifies('gemini:native-rounds', 'has the model decide again once it has called what it had to', async () => {
    played([echo], [text('ok')])
    await ask({ toolConfig: { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['srv-echo'] } } })
    expect(world.asked[1]?.['toolConfig']).toEqual({ functionCallingConfig: { mode: 'AUTO' } })
  })

  verifies('gemini:native-rounds', 'is told of what Google blocks, and refuses more than one candidate', async () => {
    const blocked = { promptFeedback: { blockReason: 'SAFETY' }, responseId: 'r1' }
    world.play(streamed ? { events: [`data: ${JSON.stringify(blocked)}\n\n`] } : { json: blocked })
    expect(await ask()).toMatchObject(blocked)
    await expect(ask({ generationConfig: { candidateCount: 2 } })).rejects.toThrow('candidateCount')
  })
})

describe('a stream of a Gemini model with gateway tools', () => {
  const ask = async (): Promise<string> => {
    const body = { contents: [question], tools: mcp() }
    const path = '/v1beta/models/gemini:streamGenerateContent?alt=sse'
    return (await world.gateway.request(path, { body })).text()
  }

  verifies('gemini:native-rounds', 'tells what fails within it, and what breaks off', async () => {
    const [start = ''] = piecesOf([text('Half'), text('of it')])
    const error = { error: { code: 503, message: 'busy', status: 'UNAVAILABLE' } }
    world.play({ events: [start, `data: ${JSON.stringify(error)}\n\n`] })
    const failed = await ask()
    expect(failed).toContain('Half')
    expect(failed).toMatch(/"error":\{"code":503,"message":"[^"]*busy[^}]*\}\}\n\n$/)
    for (const afterwards of ['end', 'cut'] as const) {
      world.play({ events: [start], afterwards })
      expect(await ask()).toMatch(/"error":\{[^}]*\}\}\n\n$/)
    }
  })
})
