import { completion, toolCall } from '@toolgate/testing/llm-server'
import { resultFor, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verifies } from '../verifies.ts'
import { type ChatWorld, reportOf, resultsIn, startChatWorld } from './chat-world.ts'

const longResult = 'A line of a long report.\n'.repeat(20)
const behind = new AsyncDisposableStack()
let world: ChatWorld
beforeAll(async () => {
  const server = behind.use(
    await startRawMcpServer((request) =>
      request.message['method'] === 'tools/call'
        ? { body: resultFor(request, { content: [{ type: 'text', text: longResult }] }) }
        : undefined,
    ),
  )
  world = behind.use(await startChatWorld({ servers: { srv: { url: server.url } } }))
})
afterAll(() => behind.disposeAsync())

const calling = (count = 1) =>
  completion({ tool_calls: Array.from({ length: count }, (_, at) => toolCall('srv-echo', {}, `call_${at}`)) })
const reportFor = async (limits: object) => reportOf((await world.complete({ mcp_limits: limits })).choices[0]?.message)

describe('the bounds of one request', () => {
  verifies('chat:bounds-per-request', 'are narrowed by the request, and the model answers without tools', async () => {
    world.play(calling(), calling(), calling(), completion({ content: 'Enough.' }))
    expect(await reportFor({ max_rounds: 2 })).toMatchObject({ mcp_limit_reached: 'rounds' })
    expect(world.asked).toHaveLength(3)
    expect(world.asked[2]).not.toHaveProperty('tools')
    expect(world.asked[0]).not.toHaveProperty('mcp_limits')

    world.play(calling(3), completion({ content: 'Enough.' }))
    expect(await reportFor({ max_calls: 2 })).toMatchObject({ mcp_limit_reached: 'calls' })
    expect(resultsIn(world.asked[1])[2]).toContain('limit of tool calls')

    world.play(calling(), completion({ content: 'Enough.' }))
    expect(await reportFor({ max_tokens: 15 })).toMatchObject({ mcp_limit_reached: 'tokens' })
    expect(world.asked).toHaveLength(2)
  })

  it.each([
    [{ max_rounds: 0 }, 'mcp_limits.max_rounds'],
    [{ max_round: 3 }, 'did you mean "max_rounds"'],
    ['none', 'mcp_limits'],
  ])('%j that are none are refused', async (limits, problem) => {
    world.play(completion({ content: 'never' }))
    await expect(world.complete({ mcp_limits: limits })).rejects.toMatchObject({
      status: 400,
      message: expect.stringContaining(problem),
    })
    expect(world.asked).toEqual([])
  })
})

describe('a result that is too long for the model', () => {
  verifies('chat:long-results', 'is cut with a note to the model, and kept whole for the key that asked', async () => {
    world.play(calling(), completion({ content: 'Read.' }))
    const key = await world.gateway.makeKey({ object_permission: { mcp_servers: ['srv'] } })
    const answer = await world.complete({ mcp_limits: { max_result_characters: 30 } }, { key })
    const shown = `${longResult.slice(0, 30)}\n\n[Truncated: these are the first 30 of ${longResult.length} characters.`
    expect(resultsIn(world.asked[1])[0]).toContain(shown)

    const [result] = JSON.parse(JSON.stringify(reportOf(answer.choices[0]?.message)['mcp_call_results']))
    const address = `/v1/tool_results/${result.full_result_id}`
    expect(await (await world.gateway.request(address, { key })).text()).toBe(longResult)
    const other = await world.gateway.makeKey()
    expect((await world.gateway.request(address, { key: other })).status).toBe(404)
  })

  it('is not kept where the model was shown all of it', async () => {
    world.play(calling(), completion({ content: 'Read.' }))
    const results = reportOf((await world.complete()).choices[0]?.message)['mcp_call_results']
    expect(results).toEqual([expect.not.objectContaining({ full_result_id: expect.anything() })])
  })
})
