import { isJsonObject, type JsonObject } from '@toolgate/core'
import { completion, toolCall } from '@toolgate/testing/llm-server'
import { resultFor, type RawMcpServer, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { type SdkMcpServer, startMcpServer } from '@toolgate/testing/mcp-server'
import { type SseMcpServer, startSseMcpServer } from '@toolgate/testing/mcp-sse-server'
import { afterAll, beforeAll, beforeEach, describe, expect, vi } from 'vitest'
import { verifies } from '../verifies.ts'
import { type ChatWorld, messagesIn, reportOf, resultsIn, startChatWorld } from './chat-world.ts'

const behind = new AsyncDisposableStack()
let world: ChatWorld
let srv: SdkMcpServer
let raw: RawMcpServer
let legacy: SseMcpServer
beforeAll(async () => {
  srv = behind.use(await startMcpServer())
  raw = behind.use(await startRawMcpServer())
  legacy = behind.use(await startSseMcpServer())
  world = behind.use(
    await startChatWorld({
      servers: {
        srv: { url: srv.url },
        raw: { url: raw.url, timeout: 0.5, allowed_params: { echo: ['message'] } },
        legacy: { url: legacy.url, transport: 'sse' },
      },
    }),
  )
})
afterAll(() => behind.disposeAsync())
beforeEach(() => raw.answer(() => undefined))

const answered = completion({ content: 'I saw it.' })
const onCall = (answer: (request: { message: JsonObject }) => ReturnType<Parameters<RawMcpServer['answer']>[0]>) =>
  raw.answer((request) => (request.message['method'] === 'tools/call' ? answer(request) : undefined))

/** What the model is told about the calls of one turn; the request itself ends well. */
async function told(calls: JsonObject[], { finish = 'tool_calls' }: { finish?: string } = {}) {
  const asking = completion({ tool_calls: calls })
  world.play(withFinish(asking, finish), answered)
  const answer = await world.complete()
  expect(answer.choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: 'I saw it.' } })
  const report = reportOf(answer.choices[0]?.message)['mcp_call_results']
  const results = resultsIn(world.asked[1])
  expect((Array.isArray(report) ? report : []).map((one) => (isJsonObject(one) ? one['result'] : one))).toEqual(results)
  return results
}

function withFinish(answer: JsonObject, reason: string): JsonObject {
  const choices: JsonObject[] = JSON.parse(JSON.stringify(answer['choices']))
  return { ...answer, choices: choices.map((choice) => ({ ...choice, finish_reason: reason })) }
}

describe('a tool that fails is a result that the model reads', () => {
  verifies('chat:executes-tools', 'where the tool itself says isError', async () => {
    expect(await told([toolCall('srv-fail', {}), toolCall('legacy-fail', {})])).toEqual([
      'Error: it did not work',
      'Error: it did not work',
    ])
  })

  verifies('chat:executes-tools', 'where the server answers with a JSON-RPC error', async () => {
    onCall(({ message }) => ({
      body: { jsonrpc: '2.0', id: message['id'], error: { code: -32050, message: 'spring' } },
    }))
    const [result] = await told([toolCall('raw-echo', {})])
    expect(result).toBe('Error: MCP server "raw" answered with an error (-32050). spring')
  })

  verifies('chat:executes-tools', 'where the server goes down in the middle of a call', async () => {
    onCall(() => 'drop')
    const [failed, other] = await told([toolCall('raw-echo', {}), toolCall('srv-echo', { message: 'still here' })])
    expect(failed).toMatch(/^Error: .*"raw"/)
    expect(other).toBe('still here')
  })

  verifies('chat:executes-tools', 'where the stream of a legacy server breaks in the middle of a call', async () => {
    world.play(completion({ tool_calls: [toolCall('legacy-wait', {})] }), answered)
    const before = legacy.requests.length
    const completing = world.complete()
    await vi.waitFor(() =>
      expect(legacy.requests.slice(before).filter(({ method }) => method === 'POST').length).toBeGreaterThan(0),
    )
    legacy.dropConnections()
    expect((await completing).choices[0]).toMatchObject({ finish_reason: 'stop' })
    expect(resultsIn(world.asked[1])).toEqual([expect.stringMatching(/^Error: .*"legacy"/)])
  })

  verifies('chat:executes-tools', 'where the server never answers', async () => {
    onCall(() => 'hang')
    const [result] = await told([toolCall('raw-echo', {})])
    expect(result).toMatch(/^Error: .*"raw".*500 ms/)
  })

  verifies('chat:executes-tools', 'where an argument is not allowed', async () => {
    const [result] = await told([toolCall('raw-echo', { message: 'x', path: '/etc' })])
    expect(result).toMatch(/^Error: Parameters \['path'\] are not allowed/)
    expect(JSON.stringify(raw.received('tools/call'))).not.toContain('/etc')
  })

  verifies('chat:executes-tools', 'where the model makes a name up, with the names there are', async () => {
    const [result] = await told([toolCall('srv-teleport', {})])
    expect(result).toMatch(/^Error: Unknown tool "srv-teleport"\. Tools of this request: .*srv-echo/)
  })

  verifies('chat:executes-tools', 'and what is no text is named, what is nothing is said', async () => {
    const content = [
      { type: 'text', text: 'see' },
      { type: 'image', data: 'AA==', mimeType: 'image/png' },
      { type: 'resource_link', uri: 'file:///x', name: 'x' },
    ]
    onCall((request) => ({ body: resultFor(request, { content }) }))
    expect(await told([toolCall('raw-echo', {})])).toEqual([
      'see [Generated Image: image/png] [Resource Link: file:///x]',
    ])
    onCall((request) => ({ body: resultFor(request, { content: [] }) }))
    expect(await told([toolCall('raw-echo', {})])).toEqual(['Tool executed successfully'])
    onCall((request) => ({ body: resultFor(request, { content: [], structuredContent: { sum: 5 } }) }))
    expect(await told([toolCall('raw-echo', {})])).toEqual(['{"sum":5}'])
  })
})

describe('a model that writes its calls loosely', () => {
  const echo = (args: JsonObject[string]): JsonObject => ({
    id: 'call_1',
    type: 'function',
    function: { name: 'srv-echo', arguments: args },
  })
  const loose: [how: string, call: JsonObject, result: string][] = [
    ['with arguments as an object', echo({ message: 'object' }), 'object'],
    ['with JSON text of JSON text', echo(JSON.stringify('{"message":"twice"}')), 'twice'],
    ['with empty arguments', echo(''), 'undefined'],
    ['with null as arguments', echo(null), 'undefined'],
    ['without type', { id: 'x', function: { name: 'srv-echo', arguments: '{"message":"untyped"}' } }, 'untyped'],
  ]
  for (const [how, call, result] of loose) {
    verifies('chat:executes-tools', `has its tool executed: ${how}`, async () => {
      expect(await told([call])).toEqual([result])
      expect(sentCalls()).toMatchObject([{ type: 'function', function: { arguments: expect.stringMatching(/^\{/) } }])
    })
  }

  verifies('chat:executes-tools', 'reads what was wrong where its arguments are no JSON', async () => {
    const before = srv.requests.length
    expect(await told([echo('{"message": "cut'), echo('[1]')])).toEqual([
      'Error: The arguments are not a JSON object: {"message": "cut Send one JSON object.',
      'Error: The arguments are not a JSON object: [1] Send one JSON object.',
    ])
    expect(srv.requests.slice(before).filter(({ rpcMethod }) => rpcMethod === 'tools/call')).toEqual([])
    // Providers parse what they are sent back, and would refuse the whole conversation.
    expect(sentCalls()).toMatchObject([{ function: { arguments: '{}' } }, { function: { arguments: '{}' } }])
  })

  verifies('chat:executes-tools', 'gets ids for calls without one, and for those that share one', async () => {
    const call = (message: string, id?: string) => ({ ...toolCall('srv-echo', { message }), id: id ?? null })
    const results = await told([call('a'), call('b', ''), call('c', 'same'), call('d', 'same')])
    expect(results).toEqual(['a', 'b', 'c', 'd'])
    const ids = sentCalls().map(({ id }) => id)
    expect(new Set(ids).size).toBe(4)
    expect(ids.every((id) => typeof id === 'string' && id !== '')).toBe(true)
    const answeredIds = messagesIn(world.asked[1]).flatMap(({ tool_call_id: id }) => id ?? [])
    expect(answeredIds).toEqual(ids)
  })

  for (const reason of ['stop', 'length', 'function_call', 'end_turn', '']) {
    verifies('chat:executes-tools', `has its tools executed under the finish reason "${reason}"`, async () => {
      expect(await told([toolCall('srv-echo', { message: 'ran' })], { finish: reason })).toEqual(['ran'])
    })
  }

  verifies('chat:executes-tools', 'has a legacy function_call executed', async () => {
    world.play(completion({ function_call: { name: 'srv-echo', arguments: '{"message":"old"}' } }), answered)
    const answer = await world.complete()
    expect(resultsIn(world.asked[1])).toEqual(['old'])
    expect(answer.choices[0]?.message).not.toHaveProperty('function_call')
  })

  verifies('chat:executes-tools', 'that answers without a message is an error of the provider', async () => {
    world.play({ choices: [] })
    await expect(world.complete()).rejects.toMatchObject({ status: 502, type: 'provider_error' })
  })

  const sentCalls = (): JsonObject[] =>
    messagesIn(world.asked[1]).flatMap(({ tool_calls: calls }) =>
      Array.isArray(calls) ? calls.filter(isJsonObject) : [],
    )
})
