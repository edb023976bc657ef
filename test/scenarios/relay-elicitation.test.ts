import type { JsonObject, Peer } from '@toolgate/core'
import { callerOf, principalOf } from '@toolgate/testing/callers'
import { everythingStdio, startEverything } from '@toolgate/testing/mcp-everything'
import { startMcpServer } from '@toolgate/testing/mcp-server'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'

interface AnsweringPeer extends Peer {
  readonly asked: { method: string; params?: JsonObject }[]
}

/** A client in a session of its own that fills in every form with `content`. */
function peerIn(sessionId: string, content: JsonObject): AnsweringPeer {
  const asked: AnsweringPeer['asked'] = []
  return {
    sessionId,
    capabilities: { elicitation: {} },
    asked,
    notify() {},
    async request(request) {
      asked.push(request)
      return { action: 'accept', content }
    },
  }
}

const admin = principalOf({ id: 'admin', admin: true })

const send = (gateway: Booted, peer: Peer, { server, name }: { server: string; name: string }) =>
  gateway.services.gateway.send(callerOf({ principal: admin, peer }), {
    server,
    method: 'tools/call',
    params: { name, arguments: {} },
  })

describe('the official reference server asks the person behind a call', () => {
  let gateway: Booted
  let http: Awaited<ReturnType<typeof startEverything>>
  beforeAll(async () => {
    http = await startEverything()
    const asking = { allow_elicitation: true, isolation: 'session' }
    gateway = await boot({
      config: {
        mcp_servers: {
          stdio: { ...everythingStdio, ...asking },
          http: { url: http.url, ...asking },
          mute: { ...everythingStdio, isolation: 'session' },
          muteHttp: { url: http.url },
        },
      },
    })
  })
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]()
    await http[Symbol.asyncDispose]()
  })

  for (const server of ['stdio', 'http']) {
    verifies('relay:server-to-client', `over ${server}, and gets the answer of that person`, async () => {
      const peer = peerIn('session-a', { name: 'Ada', check: true })
      const result = await send(gateway, peer, { server, name: 'trigger-elicitation-request' })
      expect(peer.asked).toMatchObject([{ method: 'elicitation/create', params: { message: expect.any(String) } }])
      expect(JSON.stringify(result)).toContain('Ada')
    })

    verifies('relay:server-to-client', `over ${server}, and of two who call at once each the right one`, async () => {
      const ann = peerIn('session-ann', { name: 'Ann' })
      const bob = peerIn('session-bob', { name: 'Bob' })
      const results = await Promise.all(
        [ann, bob, ann, bob].map((peer) => send(gateway, peer, { server, name: 'trigger-elicitation-request' })),
      )
      for (const [index, own, other] of [
        [0, 'Ann', 'Bob'],
        [1, 'Bob', 'Ann'],
        [2, 'Ann', 'Bob'],
        [3, 'Bob', 'Ann'],
      ] as const) {
        expect(JSON.stringify(results[index])).toContain(own)
        expect(JSON.stringify(results[index])).not.toContain(other)
      }
      expect([ann.asked.length, bob.asked.length]).toEqual([2, 2])
    })
  }

  verifies(
    'relay:server-to-client',
    'and such a tool is listed for that person, and for nobody who cannot be asked',
    async () => {
      const peer = peerIn('session-a', { name: 'Ada' })
      const { items } = await gateway.services.gateway.list(callerOf({ principal: admin, peer }), { kind: 'tools' })
      const asking = items.filter(({ definition }) => definition['name'] === 'trigger-elicitation-request')
      expect(asking.map(({ publicName }) => publicName)).toEqual([
        'stdio-trigger-elicitation-request',
        'http-trigger-elicitation-request',
      ])
      const listed = await gateway.request('/mcp-rest/tools/list')
      expect(await listed.text()).not.toContain('trigger-elicitation-request')
    },
  )

  for (const server of ['mute', 'muteHttp']) {
    verifies(
      'relay:server-to-client',
      `and is not offered it where the operator does not allow it: ${server}`,
      async () => {
        const peer = peerIn('session-a', { name: 'Ada' })
        await expect(send(gateway, peer, { server, name: 'trigger-elicitation-request' })).rejects.toMatchObject({
          code: 'TARGET_NOT_FOUND',
        })
        expect(peer.asked).toEqual([])
        // It still answers what needs nobody.
        expect(await send(gateway, peer, { server, name: 'get-tiny-image' })).toHaveProperty('content')
      },
    )
  }
})

describe('a server that asks without being offered it', () => {
  verifies('relay:server-to-client', 'reaches nobody, whoever is calling', async () => {
    await using server = await startMcpServer()
    await using gateway = await boot({ config: { mcp_servers: { pushy: { url: server.url } } } })
    const peer = peerIn('session-a', { sure: true })
    const outcome = await send(gateway, peer, { server: 'pushy', name: 'confirm' }).catch((error: unknown) => error)
    expect(JSON.stringify(outcome)).not.toContain('accept')
    expect(peer.asked).toEqual([])
  })

  verifies('relay:server-to-client', 'reaches the client where it is allowed, and a REST caller never', async () => {
    await using server = await startMcpServer()
    await using gateway = await boot({
      config: { mcp_servers: { asking: { url: server.url, allow_elicitation: true } } },
    })
    const peer = peerIn('session-a', { sure: true })
    expect(await send(gateway, peer, { server: 'asking', name: 'confirm' })).toMatchObject({
      content: [{ text: JSON.stringify({ action: 'accept', content: { sure: true } }) }],
    })
    const rest = await gateway.request('/mcp-rest/tools/call', {
      body: { server_id: 'asking', name: 'confirm', arguments: {} },
    })
    expect(await rest.text()).not.toContain('accept')
    expect(peer.asked).toHaveLength(1)
  })
})
