import { isJsonObject, type JsonObject } from '@toolgate/core'
import { completion, toolCall } from '@toolgate/testing/llm-server'
import { type SdkMcpServer, startMcpServer } from '@toolgate/testing/mcp-server'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { verifies } from '../verifies.ts'
import { type ChatWorld, clientFunction, mcp, messagesIn, offeredIn, resultsIn, startChatWorld } from './chat-world.ts'

const behind = new AsyncDisposableStack()
let world: ChatWorld
let server: SdkMcpServer
beforeAll(async () => {
  server = behind.use(await startMcpServer())
  world = behind.use(await startChatWorld({ servers: { srv: { url: server.url } } }))
})
afterAll(() => behind.disposeAsync())

const tools = [clientFunction('get_weather'), ...mcp()]
const question = { role: 'user', content: 'What is the weather, and what does the echo say?' }
const executed = () => server.requests.filter(({ rpcMethod }) => rpcMethod === 'tools/call').length
const summary = (body: JsonObject | undefined) =>
  messagesIn(body).map(({ role, content, tool_calls: calls }) => {
    const names = Array.isArray(calls)
      ? calls.map((call) => (isJsonObject(call) && isJsonObject(call['function']) ? call['function']['name'] : null))
      : undefined
    return [role, names ?? content]
  })

/** One round of the gateway's own, then a turn with calls of both sides, which ends the request. */
async function untilMixedTurn(key?: string) {
  world.play(
    completion({ tool_calls: [toolCall('srv-echo', { message: 'earlier' }, 'call_0')] }),
    completion({
      content: 'Both at once.',
      tool_calls: [
        toolCall('srv-echo', { message: 'mine' }, 'call_0'),
        toolCall('get_weather', { city: 'Bern' }, 'call_1'),
        toolCall('srv-count', { steps: 2 }, 'call_2'),
      ],
    }),
    completion({ content: 'It rains.' }),
  )
  const answer = await world.complete({ tools, messages: [question] }, { ...(key !== undefined && { key }) })
  const choice = answer.choices[0]
  const calls = choice?.message.tool_calls ?? []
  const continued = [
    question,
    choice?.message,
    ...calls.map(({ id }) => ({ role: 'tool', tool_call_id: id, content: 'rain' })),
  ]
  return { choice, calls, continued }
}

describe('a turn with gateway tools and client functions', () => {
  verifies('chat:mixed-turns', 'gives the client its own call only, after the gateway ran the others', async () => {
    const before = executed()
    const { choice, calls } = await untilMixedTurn()
    expect(choice).toMatchObject({ finish_reason: 'tool_calls', message: { content: 'Both at once.' } })
    expect(calls).toMatchObject([{ type: 'function', function: { name: 'get_weather', arguments: '{"city":"Bern"}' } }])
    expect(calls).toHaveLength(1)
    expect(executed() - before).toBe(3)
    expect(offeredIn(world.asked[0]).slice(0, 2)).toEqual(['get_weather', 'srv-echo'])
  })

  verifies('chat:mixed-turns', 'puts the results of both sides together when the client continues', async () => {
    const { continued, calls } = await untilMixedTurn()
    const before = executed()
    const answer = await world.complete({ tools, messages: continued })
    expect(answer.choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: 'It rains.' } })
    expect(executed()).toBe(before)

    const asked = world.asked[2]
    expect(summary(asked)).toEqual([
      ['user', question.content],
      ['assistant', ['srv-echo']],
      ['tool', 'earlier'],
      ['assistant', ['srv-echo', 'get_weather', 'srv-count']],
      ['tool', 'mine'],
      ['tool', 'counted to 2'],
      ['tool', 'rain'],
    ])
    // Every call of the turn is answered by its own id: providers refuse anything else.
    const [, , , turn, ...results] = messagesIn(asked)
    const turnCalls = turn?.['tool_calls']
    const ids = Array.isArray(turnCalls) ? turnCalls.map((call) => (isJsonObject(call) ? call['id'] : null)) : []
    expect(new Set(results.map(({ tool_call_id: id }) => id))).toEqual(new Set(ids))
    expect(ids).toContain(calls[0]?.id)
  })

  verifies('chat:mixed-turns', 'continues again when the client asks the same thing twice', async () => {
    const { continued } = await untilMixedTurn()
    await world.complete({ tools, messages: continued })
    await world.complete({ tools, messages: continued })
    expect(resultsIn(world.asked[3])).toEqual(['earlier', 'mine', 'counted to 2', 'rain'])
  })

  verifies('chat:mixed-turns', 'keeps the results from another key that knows the ids', async () => {
    const owner = await world.gateway.makeKey({ object_permission: { mcp_servers: ['srv'] } })
    const other = await world.gateway.makeKey({ object_permission: { mcp_servers: ['srv'] } })
    const { continued } = await untilMixedTurn(owner)

    await world.complete({ tools, messages: continued }, { key: other })
    expect(summary(world.asked[2])).toEqual([
      ['user', question.content],
      ['assistant', ['get_weather']],
      ['tool', 'rain'],
    ])
    await world.complete({ tools, messages: continued }, { key: owner })
    expect(resultsIn(world.asked[3])).toEqual(['earlier', 'mine', 'counted to 2', 'rain'])
  })

  verifies('chat:mixed-turns', 'sends no report of an earlier answer to the provider', async () => {
    const { choice, continued } = await untilMixedTurn()
    expect(choice?.message).toHaveProperty('provider_specific_fields.mcp_list_tools')
    const foreign = { role: 'assistant', content: 'x', provider_specific_fields: { citations: ['kept'] } }
    const finished = { role: 'assistant', content: 'y', provider_specific_fields: { mcp_limit_reached: 'rounds' } }
    const key = await world.gateway.makeKey({ object_permission: { mcp_servers: ['srv'] } })
    for (const offered of [tools, []]) {
      await world.complete({ tools: offered, messages: [foreign, finished, ...continued] }, { key })
      expect(JSON.stringify(world.asked.at(-1)?.['messages'])).not.toContain('mcp_')
      expect(messagesIn(world.asked.at(-1)).slice(0, 2)).toEqual([foreign, { role: 'assistant', content: 'y' }])
    }
  })

  verifies('chat:mixed-turns', 'leaves a turn with client functions alone as the model wrote it', async () => {
    const call = toolCall('get_weather', { city: 'Bern' }, 'call_of_the_provider')
    world.play(completion({ content: null, tool_calls: [call] }))
    const answer = await world.complete({ tools, messages: [question] })
    expect(answer.choices[0]?.message.tool_calls).toEqual([call])
    expect(answer.choices[0]).toMatchObject({ finish_reason: 'tool_calls', message: { content: null } })
  })

  verifies('chat:mixed-turns', 'refuses a client function that has the name of a gateway tool', async () => {
    world.play(completion({ content: 'never' }))
    await expect(world.complete({ tools: [clientFunction('srv-echo'), ...mcp()] })).rejects.toMatchObject({
      status: 400,
      message: expect.stringContaining('"srv-echo" is both a function of the request and an MCP tool'),
    })
    expect(world.asked).toEqual([])
  })
})
