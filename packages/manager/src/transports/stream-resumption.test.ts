import { type RawAnswer, type RawRequest, resultFor, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { describe, expect, it, onTestFinished } from 'vitest'
import { callOf, connected, peerAnswering, transportOf } from './connecting.fixture.ts'

const progress = { jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 1, progress: 1 } }
const event = (id: string, message?: object, more = '') =>
  `id: ${id}\n${more}data: ${message === undefined ? '' : JSON.stringify(message)}\n\n`

/** A server that begins each answer as told, and gives the rest to whoever comes back for it. */
async function reach(begin: (call: RawRequest) => RawAnswer, rest: (asked: RawRequest, call: RawRequest) => RawAnswer) {
  const calls: RawRequest[] = []
  const server = await startRawMcpServer((request) => {
    if (request.message['method'] === 'tools/call') {
      calls.push(request)
      return begin(request)
    }
    const [call] = calls
    return request.headers['last-event-id'] !== undefined && call !== undefined ? rest(request, call) : undefined
  })
  const http = transportOf('http', { url: server.url })
  const connection = await connected(http)
  onTestFinished(async () => {
    await connection.close()
    await http[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
  })
  const resumptions = () => server.requests.flatMap(({ headers }) => headers['last-event-id'] ?? [])
  return { connection, calls, resumptions }
}

const answerTo = (call: RawRequest) => resultFor(call, { content: [{ type: 'text', text: 'at last' }] })

describe('a stream that ends before the answer', () => {
  it('is taken up after its last event, as often as the server wants it, and the call is sent once', async () => {
    const { connection, calls, resumptions } = await reach(
      () => ({ events: [event('1', undefined, 'retry: 1\n')] }),
      ({ headers }, call) => {
        if (headers['last-event-id'] === '1') return { events: [event('2', progress)] }
        return { events: [event('3', answerTo(call))] }
      },
    )
    const peer = peerAnswering({})
    const result = await connection.request(
      callOf('slow', { peer, params: { name: 'slow', _meta: { progressToken: 'p' } } }),
    )
    expect(result).toEqual({ content: [{ type: 'text', text: 'at last' }] })
    expect(resumptions()).toEqual(['1', '2'])
    expect(calls).toHaveLength(1)
  })

  it('fails where it has no ids or took them back, where the rest is refused, and where nothing more ever comes', async () => {
    const without = await reach(
      () => ({ events: [progress] }),
      () => ({ events: [] }),
    )
    await expect(without.connection.request(callOf('slow'))).rejects.toMatchObject({ code: 'UPSTREAM_UNREACHABLE' })
    expect(without.resumptions()).toEqual([])

    const takenBack = await reach(
      () => ({ events: [event('1', progress), event('', progress)] }),
      () => ({ events: [] }),
    )
    await expect(takenBack.connection.request(callOf('slow'))).rejects.toMatchObject({ code: 'UPSTREAM_UNREACHABLE' })
    expect(takenBack.resumptions()).toEqual([])

    // A forgotten session must not have the call sent anew.
    const refused = await reach(
      () => ({ events: [event('1', undefined, 'retry: 1\n')] }),
      () => ({ status: 404 }),
    )
    await expect(refused.connection.request(callOf('slow'))).rejects.toMatchObject({ code: 'UPSTREAM_UNREACHABLE' })
    expect(refused.calls).toHaveLength(1)

    const silent = await reach(
      () => ({ events: [event('1', undefined, 'retry: 1\n')] }),
      () => ({ events: [': nothing\n\n'] }),
    )
    await expect(silent.connection.request(callOf('slow'))).rejects.toMatchObject({ code: 'UPSTREAM_UNREACHABLE' })
    expect(silent.resumptions().length).toBeLessThan(10)
  })
})
