import { createOutbound, isJsonObject, type JsonObject } from '@toolgate/core'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { countingIds, readChatEvents } from '@toolgate/testing/llm-loop'
import { describe, expect, it } from 'vitest'
import { toDeployment } from '../deployment.ts'

function mockModel(settings: JsonObject = {}) {
  const entry = toDeployment({ model_name: 'mock', litellm_params: { model: 'mock/tool-caller', ...settings } })
  if (!entry.ok) throw new Error(JSON.stringify(entry.issues))
  return entry.create({ outbound: createOutbound(), clock: fakeClock(), newId: countingIds() }).provider
}

const never = new AbortController().signal
const tools = ['everything-echo', 'everything-get-sum', 'client_search'].map((name) => ({
  type: 'function',
  function: { name },
}))
const user = (content: string) => ({ role: 'user', content })
const ask = (messages: JsonObject[], settings?: JsonObject) =>
  mockModel(settings).generate({ model: 'tool-caller', messages, tools }, never)

describe('the offline model', () => {
  it.each([
    ['echo {"message":"hi"}', 'everything-echo', { message: 'hi' }],
    ['Please call everything-echo with {"message":"a {b} c"} now', 'everything-echo', { message: 'a {b} c' }],
    ['get-sum: {"a":1,"b":2}', 'everything-get-sum', { a: 1, b: 2 }],
    ['search {}', 'client_search', {}],
  ])('calls the tool that %j names', async (text, name, input) => {
    expect(await ask([user(text)])).toMatchObject({
      choices: [
        {
          finish_reason: 'tool_calls',
          message: { tool_calls: [{ type: 'function', function: { name, arguments: JSON.stringify(input) } }] },
        },
      ],
    })
  })

  it.each(['echoes {"message":"hi"}', 'echo hi', 'nothing {"a":1}', 'echo {not json}'])(
    'calls nothing for %j and is friendly',
    async (text) => {
      expect(await ask([user(text)])).toMatchObject({
        choices: [
          { finish_reason: 'stop', message: { content: `Hello! This is the offline model. You said: ${text}` } },
        ],
      })
    },
  )

  it('answers with the text of a tool’s result', async () => {
    const answer = await ask([user('echo {"message":"hi"}'), { role: 'tool', tool_call_id: 'c', content: 'Echo: hi' }])
    expect(answer).toMatchObject({ choices: [{ finish_reason: 'stop', message: { content: 'Echo: hi' } }] })
  })

  it('says what mock_response says, whatever it is asked', async () => {
    expect(await ask([user('echo {}')], { mock_response: 'fixed' })).toMatchObject({
      choices: [{ message: { content: 'fixed' } }],
    })
  })

  it('streams the same answer it gives whole', async () => {
    const body = { model: 'm', messages: [user('good  day\nto you')], stream_options: { include_usage: true } }
    const events = await readChatEvents(await mockModel().stream(body, never))
    expect(events.pop()).toBe('[DONE]')
    const chunks = events.filter(isJsonObject)
    const deltas = chunks.map(({ choices }) => JSON.parse(JSON.stringify(choices))[0]?.delta.content ?? '')
    const whole = await mockModel().generate(body, never)
    expect(whole).toMatchObject({ choices: [{ message: { content: deltas.join('') } }] })
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: whole['usage'] })
  })
})
