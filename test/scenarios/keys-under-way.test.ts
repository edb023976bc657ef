import { completion, toolCall } from '@toolgate/testing/llm-server'
import { type LoopbackServer, serveOnLoopback } from '@toolgate/testing/loopback'
import { type RawMcpServer, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { afterAll, beforeAll, describe, expect, vi } from 'vitest'
import { openRawSession, rawModernClient } from '../raw-client.ts'
import { verifies } from '../verifies.ts'
import { type ChatWorld, mcp, startChatWorld } from './chat-world.ts'

let upstream: RawMcpServer
let world: ChatWorld
let served: LoopbackServer

beforeAll(async () => {
  upstream = await startRawMcpServer(({ message }) => (message['method'] === 'tools/call' ? 'hang' : undefined))
  world = await startChatWorld({ servers: { stuck: { url: upstream.url } } })
  world.play(completion({ tool_calls: [toolCall('stuck-echo', {})] }))
  served = await serveOnLoopback(world.gateway.app.fetch)
})
afterAll(async () => {
  await served[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
  await upstream[Symbol.asyncDispose]()
})

const call = { name: 'stuck-echo', arguments: {} }
const refused = 'Key is blocked'

const post = (path: string, key: string, body: object) =>
  fetch(served.origin + path, {
    method: 'POST',
    headers: { 'x-litellm-api-key': key, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })

const chat = { model: 'gpt', messages: [{ role: 'user', content: 'go' }], tools: mcp() }

/** Calls the tool that never answers, and says how the caller was answered in the end. */
const doors: Readonly<Record<string, (key: string) => Promise<string>>> = {
  async '/mcp-rest/tools/call'(key) {
    const answer = await post('/mcp-rest/tools/call', key, { ...call, server_id: 'stuck', name: 'echo' })
    return `${answer.status} ${await answer.text()}`
  },
  async '/mcp of 2025-11-25'(key) {
    const session = await openRawSession({ fetch, url: `${served.origin}/mcp`, headers: { 'x-litellm-api-key': key } })
    return JSON.stringify(await session.ask('tools/call', call))
  },
  async '/mcp of 2026-07-28'(key) {
    const client = rawModernClient({ fetch, url: `${served.origin}/mcp`, headers: { 'x-litellm-api-key': key } })
    return JSON.stringify(await client.ask('tools/call', call))
  },
  async '/v1/chat/completions'(key) {
    const answer = await post('/v1/chat/completions', key, chat)
    return `${answer.status} ${await answer.text()}`
  },
  async '/v1/chat/completions as a stream'(key) {
    const answer = await post('/v1/chat/completions', key, { ...chat, stream: true })
    return answer.text()
  },
}

const block = (key: string) => world.gateway.json('/key/block', { body: { key } })
const makeKey = () => world.gateway.makeKey({ object_permission: { mcp_servers: ['stuck'] } })

/** Resolves with the call as the server received it. */
async function underWay(answer: (key: string) => Promise<string>, key: string) {
  const before = upstream.received('tools/call').length
  const answering = answer(key)
  const received = await vi.waitUntil(() => upstream.received('tools/call')[before], { timeout: 20_000 })
  return { answering, received }
}

const callOverRest = (key: string) => doors['/mcp-rest/tools/call']?.(key) ?? Promise.reject(new Error('no such door'))

describe('a call under way, once its key is', () => {
  describe.each(Object.entries(doors))('at %s', (_, ask) => {
    verifies('keys:take-effect', 'blocked, ends there and at the server, and says why', async () => {
      const key = await makeKey()
      const { answering, received } = await underWay(ask, key)
      await block(key)
      expect(await answering).toContain(refused)
      expect(await received.closed).toBe('abandoned')
    })
  })

  const others: readonly [string, (key: string) => Promise<object>][] = [
    ['deleted', (key) => world.gateway.json('/key/delete', { body: { keys: [key] } })],
    ['expired', (key) => world.gateway.json('/key/update', { body: { key, duration: '1s' } })],
  ]
  for (const [what, happens] of others) {
    verifies('keys:take-effect', `${what}, ends as well`, async () => {
      const key = await makeKey()
      const { answering } = await underWay(callOverRest, key)
      await happens(key)
      expect(await answering).toMatch(/^401 /)
    })
  }

  verifies('keys:take-effect', 'blocked, ends alone', async () => {
    const keys = { blocked: await makeKey(), good: await makeKey() }
    const blocked = await underWay(callOverRest, keys.blocked)
    const good = await underWay(callOverRest, keys.good)
    await block(keys.blocked)
    await blocked.answering
    const pending = Symbol('under way')
    expect(await Promise.race([good.received.closed, Promise.resolve(pending)])).toBe(pending)
    await block(keys.good)
    expect(await good.answering).toContain(refused)
  })
})
