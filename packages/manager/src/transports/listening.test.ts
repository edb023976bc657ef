import { startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { describe, expect, it, vi } from 'vitest'
import { connected, transportOf } from './connecting.fixture.ts'

const news = { jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri: 'file:///a' } }

/** More often than a server that has nothing to say is asked. */
const often = 8

/** A server whose listening streams end as told, and how often it was asked for one. */
async function startListenedTo(stream: () => AsyncIterable<object | string>) {
  const server = await startRawMcpServer(({ method }) => (method === 'GET' ? { events: stream() } : undefined))
  const asked = () => server.requests.filter(({ method }) => method === 'GET').length
  return { url: server.url, asked, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}

describe('a stream that a server is listened to on', () => {
  it('is opened again each time it was cut after it had told something', async () => {
    const clock = fakeClock()
    await using server = await startListenedTo(async function* () {
      yield news
      await new Promise(setImmediate)
      throw new Error('cut')
    })
    await using http = transportOf('http', { url: server.url }, { clock })
    const onUnsolicited = vi.fn<() => void>()
    await using _ = await connected(http, { onUnsolicited })
    for (let times = 1; times <= often; times += 1) {
      await vi.waitFor(() => expect(onUnsolicited).toHaveBeenCalledTimes(times))
      await vi.waitFor(() => expect(clock.pending).toBe(1))
      clock.advance(1_000)
    }
    await vi.waitFor(() => expect(server.asked()).toBe(often + 1))
  })

  it('is opened again where it was there for long, though nothing was told on it', async () => {
    const clock = fakeClock()
    let end = () => {}
    await using server = await startListenedTo(async function* () {
      yield ': here\n\n'
      await new Promise<void>((resolve) => {
        end = resolve
      })
    })
    await using http = transportOf('http', { url: server.url }, { clock })
    await using _ = await connected(http)
    for (let times = 1; times <= often; times += 1) {
      await vi.waitFor(() => expect(server.asked()).toBe(times))
      clock.advance(60_000)
      end()
      await vi.waitFor(() => expect(clock.pending).toBe(1))
      clock.advance(1_000)
    }
    await vi.waitFor(() => expect(server.asked()).toBe(often + 1))
  })

  it('is left alone where the server ends it again and again at once', async () => {
    const clock = fakeClock()
    await using server = await startListenedTo(async function* () {
      yield ': here\n\n'
    })
    await using http = transportOf('http', { url: server.url }, { clock })
    await using _ = await connected(http)
    for (let times = 1; times < 5; times += 1) {
      await vi.waitFor(() => expect(server.asked()).toBe(times))
      await vi.waitFor(() => expect(clock.pending).toBe(1))
      clock.advance(60_000)
    }
    await vi.waitFor(() => expect(server.asked()).toBe(5))
    await vi.waitFor(() => expect(clock.pending).toBe(0))
  })
})
