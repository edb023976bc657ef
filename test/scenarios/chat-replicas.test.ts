import { describeOnStores, type TestStore } from '@toolgate/testing/database'
import { completion, toolCall } from '@toolgate/testing/llm-server'
import { type SdkMcpServer, startMcpServer } from '@toolgate/testing/mcp-server'
import { afterAll, beforeAll, expect } from 'vitest'
import { verifies } from '../verifies.ts'
import { type ChatWorld, clientFunction, mcp, resultsIn, startChatWorld } from './chat-world.ts'

describeOnStores('two gateways on one store', (openStore) => {
  const behind = new AsyncDisposableStack()
  let server: SdkMcpServer
  let first: ChatWorld
  let second: ChatWorld
  beforeAll(async () => {
    server = behind.use(await startMcpServer())
    const store: TestStore = await openStore()
    const servers = { srv: { url: server.url } }
    first = behind.use(await startChatWorld({ servers, database: store.database }))
    second = behind.use(await startChatWorld({ servers, database: await store.openAgain() }))
  })
  afterAll(() => behind.disposeAsync())

  verifies('chat:turns-continue-anywhere', 'continue each other’s mixed turns, and nothing runs twice', async () => {
    const tools = [clientFunction('get_weather'), ...mcp()]
    const question = { role: 'user', content: 'go' }
    first.play(
      completion({
        tool_calls: [toolCall('srv-echo', { message: 'mine' }, 'a'), toolCall('get_weather', { city: 'Bern' }, 'b')],
      }),
    )
    const message = (await first.complete({ tools, messages: [question] })).choices[0]?.message
    const [call] = message?.tool_calls ?? []

    second.play(completion({ content: 'It rains.' }))
    const executed = () => server.requests.filter(({ rpcMethod }) => rpcMethod === 'tools/call').length
    const before = executed()
    await second.complete({
      tools,
      messages: [question, message, { role: 'tool', tool_call_id: call?.id, content: 'rain' }],
    })
    expect(resultsIn(second.asked[0])).toEqual(['mine', 'rain'])
    expect(executed()).toBe(before)
  })
})
