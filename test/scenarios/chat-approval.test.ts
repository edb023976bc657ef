import { completion, toolCall } from '@toolgate/testing/llm-server'
import { type SdkMcpServer, startMcpServer } from '@toolgate/testing/mcp-server'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { verifies } from '../verifies.ts'
import { type ChatWorld, mcp, messagesIn, offeredIn, reportOf, resultsIn, startChatWorld } from './chat-world.ts'

/**
 * Four servers that are one and the same, each with another word on approval, and a model that calls two tools of one of them.
 * Whether a call was executed is read where it counts: in what the model is told next, and at the server.
 */
const behind = new AsyncDisposableStack()
let world: ChatWorld
let server: SdkMcpServer
const configuredKey = 'sk-configured-with-servers'

beforeAll(async () => {
  server = behind.use(await startMcpServer())
  const { url } = server
  world = behind.use(
    await startChatWorld({
      servers: {
        open: { url },
        free: { url, require_approval: 'never' },
        guarded: { url, require_approval: 'always' },
        listed: { url, require_approval: { never: { tool_names: ['echo'] }, always: { tool_names: ['whoami'] } } },
      },
      config: { virtual_keys: [{ key: configuredKey, mcp_servers: ['open', 'guarded'] }] },
    }),
  )
})
afterAll(() => behind.disposeAsync())

interface Asked {
  readonly server: string
  readonly entry?: object
  readonly headers?: Record<string, string>
  readonly key?: string
}

const calledAt = () => server.requests.filter(({ rpcMethod }) => rpcMethod === 'tools/call').length

/** Which of the calls `echo` and `count` was executed, which was returned. */
async function callBoth({ server: name, entry, headers, key }: Asked) {
  const names = [`${name}-echo`, `${name}-count`]
  world.play(
    completion({ tool_calls: names.map((tool) => toolCall(tool, { message: 'hi' }, tool)) }),
    completion({ content: 'done' }),
  )
  const before = calledAt()
  const answer = await world.complete(
    { tools: entry === undefined ? undefined : mcp({ require_approval: undefined, ...entry }) },
    { ...(key !== undefined && { key }), ...(headers && { headers }) },
  )
  const [choice] = answer.choices
  const executed = reportOf(choice?.message)['mcp_call_results']
  return {
    executed: (Array.isArray(executed) ? executed : []).map((result) => JSON.parse(JSON.stringify(result))['name']),
    returned: (choice?.message.tool_calls ?? []).map((call) => ('function' in call ? call.function.name : '')),
    finish: choice?.finish_reason,
    atServer: calledAt() - before,
  }
}

const bothExecuted = (name: string) => ({
  executed: [`${name}-echo`, `${name}-count`],
  returned: [],
  finish: 'stop',
  atServer: 2,
})
const bothReturned = (name: string) => ({
  executed: [],
  returned: [`${name}-echo`, `${name}-count`],
  finish: 'tool_calls',
  atServer: 0,
})
const echoExecuted = (name: string) => ({
  executed: [`${name}-echo`],
  returned: [`${name}-count`],
  finish: 'tool_calls',
  atServer: 1,
})

describe('approval by the tools entry', () => {
  verifies('chat:approval-per-call', 'executes where the entry says never', async () => {
    expect(await callBoth({ server: 'open', entry: { require_approval: 'never' } })).toEqual(bothExecuted('open'))
  })

  verifies('chat:approval-per-call', 'returns where the entry says always, whatever the server says', async () => {
    expect(await callBoth({ server: 'free', entry: { require_approval: 'always' } })).toEqual(bothReturned('free'))
  })

  verifies('chat:approval-per-call', 'returns where neither the entry nor the server says a word', async () => {
    expect(await callBoth({ server: 'open', entry: {} })).toEqual(bothReturned('open'))
  })

  verifies('chat:approval-per-call', 'executes where the entry says never and the server always', async () => {
    expect(await callBoth({ server: 'guarded', entry: { require_approval: 'never' } })).toEqual(bothExecuted('guarded'))
  })

  for (const [spelling, tool] of [
    ['by its own name', 'echo'],
    ['with its prefix', 'open-echo'],
  ] as const) {
    verifies('chat:approval-per-call', `executes only the tool that a list names ${spelling}`, async () => {
      const entry = { require_approval: { never: { tool_names: [tool] } } }
      expect(await callBoth({ server: 'open', entry })).toEqual(echoExecuted('open'))
    })
  }

  verifies('chat:approval-per-call', 'has always win for a tool that both lists name', async () => {
    const never = { tool_names: ['echo', 'count'] }
    const entry = { require_approval: { never, always: { tool_names: ['count'] } } }
    expect(await callBoth({ server: 'open', entry })).toEqual(echoExecuted('open'))
  })

  verifies('chat:approval-per-call', 'does not open the tools of one entry by the word of another', async () => {
    const tools = [
      ...mcp({ server_url: 'litellm_proxy/mcp/open', require_approval: 'never' }),
      ...mcp({ server_url: 'litellm_proxy/mcp/guarded', require_approval: undefined }),
    ]
    world.play(
      completion({
        tool_calls: [toolCall('open-echo', { message: 'ran' }), toolCall('guarded-echo', { message: 'waits' })],
      }),
    )
    const before = calledAt()
    const [choice] = (await world.complete({ tools })).choices
    expect(choice).toMatchObject({
      finish_reason: 'tool_calls',
      message: { tool_calls: [{ function: { name: 'guarded-echo' } }] },
    })
    expect(choice?.message.tool_calls).toHaveLength(1)
    expect(reportOf(choice?.message)['mcp_call_results']).toMatchObject([{ name: 'open-echo', result: 'ran' }])
    expect(calledAt() - before).toBe(1)
  })
})

describe('approval by the key', () => {
  const entry = { require_approval: 'never' }
  const object_permission = { mcp_servers: ['open', 'free'] }

  verifies(
    'chat:approval-per-call',
    'returns what the key wants a yes for, whatever request and server say',
    async () => {
      const key = await world.gateway.makeKey({ object_permission, mcp_require_approval: 'always' })
      expect(await callBoth({ server: 'free', entry, key })).toEqual(bothReturned('free'))
      expect(await callBoth({ server: 'free', headers: { 'x-mcp-servers': 'free' }, key })).toEqual(
        bothReturned('free'),
      )
    },
  )

  verifies('chat:approval-per-call', 'executes what the key does not name', async () => {
    for (const named of ['count', 'open-count']) {
      const key = await world.gateway.makeKey({ object_permission, metadata: { mcp_require_approval: [named] } })
      expect(await callBoth({ server: 'open', entry, key })).toEqual(echoExecuted('open'))
    }
    await world.gateway.json('/key/generate', { body: { mcp_require_approval: 'sometimes' }, status: 422 })
  })
})

describe('approval by the server', () => {
  verifies('chat:approval-per-call', 'executes for an entry that leaves it to a server that says never', async () => {
    expect(await callBoth({ server: 'free', entry: {} })).toEqual(bothExecuted('free'))
  })

  verifies('chat:approval-per-call', 'returns for an entry that leaves it to a server that says always', async () => {
    expect(await callBoth({ server: 'guarded', entry: {} })).toEqual(bothReturned('guarded'))
  })

  verifies('chat:approval-per-call', 'executes only the tools that the list of a server names', async () => {
    expect(await callBoth({ server: 'listed', entry: {} })).toEqual(echoExecuted('listed'))
  })
})

describe('approval of tools that no entry asked for', () => {
  verifies('chat:approval-per-call', 'executes tools of the x-mcp-servers header', async () => {
    expect(await callBoth({ server: 'open', headers: { 'x-mcp-servers': 'open' } })).toEqual(bothExecuted('open'))
    expect(offeredIn(world.asked[0]).every((name) => name.startsWith('open-'))).toBe(true)
  })

  verifies('chat:approval-per-call', 'returns tools of the header whose server wants approval', async () => {
    const headers = { 'x-mcp-servers': 'open, guarded' }
    expect(await callBoth({ server: 'guarded', headers })).toEqual(bothReturned('guarded'))
  })

  verifies('chat:approval-per-call', 'executes the tools that a key adds on its own', async () => {
    expect(await callBoth({ server: 'open', key: configuredKey })).toEqual(bothExecuted('open'))
  })

  verifies('chat:approval-per-call', 'returns tools of the key whose server wants approval', async () => {
    expect(await callBoth({ server: 'guarded', key: configuredKey })).toEqual(bothReturned('guarded'))
  })

  verifies('chat:approval-per-call', 'attaches nothing where neither request nor key ask for tools', async () => {
    world.play(completion({ content: 'done' }))
    await world.complete({ tools: undefined }, { key: await world.gateway.makeKey({ models: ['gpt'] }) })
    expect(world.asked[0]).not.toHaveProperty('tools')
  })
})

verifies('chat:approval-per-call', 'goes on when the client answers a call that it was asked to approve', async () => {
  world.play(completion({ tool_calls: [toolCall('open-echo', { message: 'hi' })] }), completion({ content: 'thanks' }))
  const tools = mcp({ require_approval: 'always' })
  const first = await world.complete({ tools })
  const message = first.choices[0]?.message
  const id = message?.tool_calls?.[0]?.id
  const before = calledAt()
  const second = await world.complete({
    tools,
    messages: [
      { role: 'user', content: 'go' },
      message,
      { role: 'tool', tool_call_id: id, content: 'approved and done by me' },
    ],
  })
  expect(resultsIn(world.asked[1])).toEqual(['approved and done by me'])
  expect(messagesIn(world.asked[1]).map(({ role }) => role)).toEqual(['user', 'assistant', 'tool'])
  expect(second.choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: 'thanks' } })
  expect(calledAt()).toBe(before)
})
