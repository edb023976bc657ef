import type { JsonObject } from '@toolgate/core'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { countingIds, scriptedModel, textResult, unusedApprovals } from '@toolgate/testing/llm-loop'
import { completion, toolCall } from '@toolgate/testing/llm-server'
import { describe, expect, it } from 'vitest'
import { chatDialect } from './dialects/chat.ts'
import { listOf } from './json-fields.ts'
import type { LoopTool } from './loop-tool.ts'
import { runToolLoop, type ToolLoopOptions } from './tool-loop.ts'
import { createTurnRecords } from './records/turn-records.ts'

function tool(name: string, approval: LoopTool['approval'] = 'never'): LoopTool {
  return { publicName: name, functionName: name, approval, definition: { inputSchema: {} } }
}

const tools = [tool('srv-read'), tool('srv-delete', 'always')]
const weather = { type: 'function', function: { name: 'get_weather' } }
const request = { model: 'm', messages: [{ role: 'user', content: 'go' }], tools: [weather] }

function conversation() {
  const shared = {
    turnRecords: createTurnRecords(),
    approvals: unusedApprovals,
    admit: async () => {},
    newId: countingIds(),
  }
  const executed: string[] = []
  const ask = async (answers: JsonObject[], overrides: Partial<ToolLoopOptions> = {}) => {
    const model = scriptedModel(answers)
    const { response } = await runToolLoop({
      body: request,
      dialect: chatDialect,
      tools,
      generate: model.generate,
      owner: 'alice',
      signal: new AbortController().signal,
      clock: fakeClock(),
      ...shared,
      ...overrides,
      call: async ({ publicName }) => {
        executed.push(publicName)
        return textResult(`${publicName} ran`)
      },
    })
    const message: JsonObject = JSON.parse(JSON.stringify(response))['choices'][0]['message']
    return { response, message, asked: model.asked }
  }
  return { ask, executed }
}

function continued(message: JsonObject, results: readonly string[]): JsonObject {
  const { provider_specific_fields: _fields, ...assistant } = message
  const calls: JsonObject[] = JSON.parse(JSON.stringify(listOf(message['tool_calls'])))
  const answers = calls.map(({ id }, index) => ({
    role: 'tool',
    tool_call_id: id ?? null,
    content: results[index] ?? '',
  }))
  return { ...request, messages: [...request.messages, assistant, ...answers] }
}

const idsOf = (message: JsonObject) =>
  JSON.parse(JSON.stringify(listOf(message['tool_calls']))).map(({ id }: JsonObject) => id)

describe('a turn with calls of both sides', () => {
  const mixed = completion({
    content: 'Both.',
    tool_calls: [toolCall('srv-read', {}, 'g1'), toolCall('get_weather', { city: 'Bonn' }, 'w1')],
  })

  it('gives the client only its own calls, with what the gateway did', async () => {
    const { ask, executed } = conversation()
    const { response, message } = await ask([mixed])
    expect(executed).toEqual(['srv-read'])
    expect(response).toMatchObject({ choices: [{ finish_reason: 'tool_calls' }] })
    expect(message).toMatchObject({
      content: 'Both.',
      tool_calls: [{ type: 'function', function: { name: 'get_weather', arguments: '{"city":"Bonn"}' } }],
      provider_specific_fields: { mcp_call_results: [{ tool_call_id: 'g1', result: 'srv-read ran' }] },
    })
  })

  it('is whole again when the client continues, earlier rounds included, and nothing runs twice', async () => {
    const { ask, executed } = conversation()
    const first = completion({ tool_calls: [toolCall('srv-read', {}, 'g0')] })
    const { message } = await ask([first, mixed])
    const [id] = idsOf(message)
    const { asked, message: end } = await ask([completion({ content: 'sunny' })], { body: continued(message, ['20°']) })
    expect(end['content']).toBe('sunny')
    expect(executed).toEqual(['srv-read', 'srv-read'])
    expect(asked[0]?.['messages']).toEqual([
      request.messages[0],
      { role: 'assistant', content: null, tool_calls: [toolCall('srv-read', {}, 'g0')] },
      { role: 'tool', tool_call_id: 'g0', content: 'srv-read ran' },
      {
        role: 'assistant',
        content: 'Both.',
        tool_calls: [toolCall('srv-read', {}, 'g1'), toolCall('get_weather', { city: 'Bonn' }, id)],
      },
      { role: 'tool', tool_call_id: 'g1', content: 'srv-read ran' },
      { role: 'tool', tool_call_id: id, content: '20°' },
    ])
  })

  it('stays whole over every later request of the conversation', async () => {
    const { ask } = conversation()
    const { message } = await ask([mixed])
    const again = continued(message, ['20°'])
    await ask([completion({ content: 'sunny' })], { body: again })
    const { asked } = await ask([completion({ content: 'bye' })], { body: again })
    expect(JSON.stringify(asked[0])).toContain('srv-read ran')
  })

  it('goes in once, however often a request names its calls', async () => {
    const { ask } = conversation()
    const { message } = await ask([mixed])
    const { messages, ...rest } = continued(message, ['20°'])
    const [, assistant = null] = listOf(messages)
    const repeated = [...listOf(messages), ...Array.from({ length: 50 }, () => assistant)]
    const { asked } = await ask([completion({ content: 'sunny' })], { body: { ...rest, messages: repeated } })
    expect(JSON.stringify(asked[0]).split('srv-read ran')).toHaveLength(2)
  })

  it('is kept from other principals', async () => {
    const { ask } = conversation()
    const { message } = await ask([mixed])
    const { asked } = await ask([completion({ content: 'x' })], { body: continued(message, ['20°']), owner: 'bob' })
    expect(JSON.stringify(asked[0])).not.toContain('srv-read ran')
  })

  it('does not meet another conversation whose provider numbers its calls the same', async () => {
    const { ask } = conversation()
    const { message: left } = await ask([mixed])
    const { message: right } = await ask([mixed])
    expect(idsOf(left)).not.toEqual(idsOf(right))
  })
})

describe('a turn with client functions alone', () => {
  it('is handed on as the provider wrote it', async () => {
    const { ask } = conversation()
    const call = { ...toolCall('get_weather', {}, 'w1'), vendor: 1 }
    const { message } = await ask([completion({ tool_calls: [call] })])
    expect(message['tool_calls']).toEqual([call])
  })

  it('stays a legacy function_call for a client that offers legacy functions', async () => {
    const { ask } = conversation()
    const legacy = { name: 'old', arguments: '{"a":' }
    const { response, message } = await ask([completion({ function_call: legacy })], {
      body: { model: 'm', messages: [], functions: [{ name: 'old' }] },
    })
    expect(message['function_call']).toEqual(legacy)
    expect(message).not.toHaveProperty('tool_calls')
    expect(response).toMatchObject({ choices: [{ finish_reason: 'function_call' }] })
  })

  it('lets the client judge arguments that are no JSON', async () => {
    const { ask } = conversation()
    const call = { id: 'w1', type: 'function', function: { name: 'get_weather', arguments: 'Bonn' } }
    const { message } = await ask([completion({ tool_calls: [call] })])
    expect(message['tool_calls']).toEqual([call])
  })
})

describe('a call that needs approval', () => {
  const both = completion({ tool_calls: [toolCall('srv-delete', { id: 1 }, 'd1'), toolCall('srv-read', {}, 'g1')] })

  it('never runs because another call of its turn does not need it', async () => {
    const { ask, executed } = conversation()
    const { response, message } = await ask([both])
    expect(executed).toEqual(['srv-read'])
    expect(response).toMatchObject({ choices: [{ finish_reason: 'tool_calls' }] })
    expect(message).toMatchObject({
      tool_calls: [{ function: { name: 'srv-delete', arguments: '{"id":1}' } }],
      provider_specific_fields: { mcp_call_results: [{ name: 'srv-read', result: 'srv-read ran' }] },
    })
  })

  it('is answered by the client, and the model sees both results', async () => {
    const { ask, executed } = conversation()
    const { message } = await ask([both])
    const { asked } = await ask([completion({ content: 'ok' })], { body: continued(message, ['deleted by hand']) })
    expect(executed).toEqual(['srv-read'])
    expect(asked[0]?.['messages']).toMatchObject([
      {},
      { tool_calls: [{ function: { name: 'srv-delete' } }, { function: { name: 'srv-read' } }] },
      { tool_call_id: 'g1', content: 'srv-read ran' },
      { content: 'deleted by hand' },
    ])
  })
})
