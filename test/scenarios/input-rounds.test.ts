import type { JsonObject, Peer, Principal } from '@toolgate/core'
import { calls } from '@toolgate/db'
import { callerOf, principalOf } from '@toolgate/testing/callers'
import { openTestDatabase } from '@toolgate/testing/database'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { type SdkMcpServer, startMcpServer } from '@toolgate/testing/mcp-server'
import { afterAll, beforeAll, describe, expect, vi } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'

const everything = { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} }
const admin = principalOf({ id: 'admin', admin: true })

/** A client of the modern era: it is told what is missing. */
const modernPeer = (capabilities: JsonObject = everything): Peer => ({
  era: 'modern',
  capabilities,
  notify() {},
  request: () => Promise.reject(new Error('a modern client is not asked')),
})

/** A client in a session that answers what it is asked. */
function peerInSession(answers: Readonly<Record<string, JsonObject>>, capabilities: JsonObject = everything) {
  const request = vi.fn<Peer['request']>(async ({ method }) => answers[method] ?? {})
  return { era: 'legacy', sessionId: 'session-a', capabilities, notify() {}, request } as const
}

interface Asked {
  readonly server: string
  readonly name: string
  readonly args?: JsonObject
  readonly round?: JsonObject
  readonly principal?: Principal
}

const send = (gateway: Booted, peer: Peer, { server, name, args = {}, round, principal = admin }: Asked) =>
  gateway.services.gateway.send(callerOf({ principal, peer }), {
    server,
    method: 'tools/call',
    params: { name, arguments: args, ...round },
  })

const accepted = (content: JsonObject) => ({ action: 'accept', content })

/** The keys of what is asked, and the state to bring back. */
function inputOf(result: JsonObject) {
  expect(result).toMatchObject({ resultType: 'input_required', requestState: expect.any(String) })
  const { inputRequests, requestState } = result
  if (typeof requestState !== 'string') throw new Error('no state')
  return { keys: Object.keys(inputRequests ?? {}), requestState }
}

let gateway: Booted
let modern: SdkMcpServer
let legacy: SdkMcpServer
beforeAll(async () => {
  modern = await startMcpServer({ modern: 'alone' })
  legacy = await startMcpServer()
  const asking = { allow_elicitation: true, allow_sampling: true }
  gateway = await boot({
    config: {
      mcp_servers: {
        modern: { url: modern.url, ...asking },
        legacy: { url: legacy.url, ...asking },
        mute: { url: modern.url },
      },
    },
  })
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await modern[Symbol.asyncDispose]()
  await legacy[Symbol.asyncDispose]()
})

describe('a modern client of a modern server', () => {
  verifies('rounds:input', 'is told what is missing, brings it, and the server has its own state back', async () => {
    const peer = modernPeer()
    const call = { server: 'modern', name: 'interview' }
    const first = inputOf(await send(gateway, peer, call))
    expect(first.keys).toEqual(['first'])
    const second = await send(gateway, peer, {
      ...call,
      round: { requestState: first.requestState, inputResponses: { first: accepted({ name: 'Ada' }) } },
    })
    expect(inputOf(second).keys).toEqual(['second'])
    expect(JSON.stringify(second)).not.toContain('Ada')
    const answer = await send(gateway, peer, {
      ...call,
      round: { requestState: inputOf(second).requestState, inputResponses: { second: accepted({ name: 'Bob' }) } },
    })
    expect(answer).toMatchObject({ content: [{ text: expect.stringMatching(/Ada.*Bob/) }] })
    expect(peer.request).toBeDefined()
  })

  verifies('rounds:sealed-and-once', 'has a state that is good for nothing else', async () => {
    const call = { server: 'modern', name: 'confirm', args: { of: 'me' } }
    const { requestState } = inputOf(await send(gateway, modernPeer(), call))
    const inputResponses = { sure: accepted({ sure: true }) }
    const round = { requestState, inputResponses }
    const [head = '', ...rest] = requestState.split('.')
    const altered = [head, ...rest.slice(0, -1), `${rest.at(-1)?.slice(0, -2)}AA`].join('.')
    const bob = principalOf({ id: 'bob', admin: true })
    const others: readonly Asked[] = [
      { ...call, round: { ...round, requestState: altered } },
      { ...call, round: { ...round, requestState: 'asked' } },
      { ...call, args: { of: 'you' }, round },
      { ...call, name: 'interview', round },
      { ...call, server: 'mute', round },
      { ...call, round, principal: bob },
    ]
    for (const asked of others) {
      await expect(send(gateway, modernPeer(), asked)).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
    }
    const answer = await send(gateway, modernPeer(), { ...call, round })
    expect(answer).toMatchObject({ content: [{ text: expect.stringContaining('true') }] })
  })

  verifies('rounds:input', 'hears what it cannot be asked, and what the server may not ask', async () => {
    const without = send(gateway, modernPeer({ sampling: {} }), { server: 'modern', name: 'confirm' })
    await expect(without).rejects.toMatchObject({
      code: 'INPUT_UNAVAILABLE',
      details: { server: 'modern', required_capabilities: { elicitation: { form: {} } } },
    })
    for (const name of ['confirm', 'link', 'sample']) {
      await expect(send(gateway, modernPeer(), { server: 'mute', name })).rejects.toMatchObject({
        code: 'INPUT_UNAVAILABLE',
      })
    }
    const { body } = modern.requests.at(-1) ?? {}
    expect(JSON.stringify(body)).not.toMatch(/elicitation|sampling/)
  })
})

describe('a client with a session, of a modern server', () => {
  verifies('rounds:input', 'is asked, and the server gets the answers in as many rounds as it needs', async () => {
    const peer = peerInSession({ 'elicitation/create': accepted({ name: 'Ada' }) })
    const answer = await send(gateway, peer, { server: 'modern', name: 'interview' })
    expect(answer).toMatchObject({ content: [{ text: expect.stringMatching(/Ada.*Ada/) }] })
    expect(peer.request).toHaveBeenCalledTimes(2)
  })

  verifies('rounds:input', 'is asked for models, roots and addresses too', async () => {
    const answers = {
      'sampling/createMessage': { role: 'assistant', content: { type: 'text', text: 'A model' }, model: 'm' },
      'roots/list': { roots: [{ uri: 'file:///work' }] },
      'elicitation/create': { action: 'accept' },
    }
    const peer = peerInSession(answers)
    const texts = []
    for (const name of ['sample', 'roots', 'link']) {
      texts.push(JSON.stringify(await send(gateway, peer, { server: 'modern', name })))
    }
    expect(texts[0]).toContain('A model')
    expect(texts[1]).toContain('file:///work')
    expect(peer.request.mock.calls.at(-1)?.[0]).toMatchObject({
      params: { mode: 'url', url: 'https://sign-in.example', elicitationId: expect.any(String) },
    })
  })

  verifies('rounds:input', 'is not asked for what it does not have', async () => {
    const peer = peerInSession({}, { roots: {} })
    await expect(send(gateway, peer, { server: 'modern', name: 'confirm' })).rejects.toMatchObject({
      code: 'INPUT_UNAVAILABLE',
    })
    expect(peer.request).not.toHaveBeenCalled()
  })
})

describe('a caller that cannot be asked at all', () => {
  verifies('rounds:input', 'hears over REST what is missing', async () => {
    const answer = await gateway.json('/mcp-rest/tools/call', {
      body: { server_id: 'modern', name: 'confirm', arguments: {} },
      status: 422,
    })
    expect(answer).toMatchObject({
      detail: { error: 'input_required', server: 'modern', message: expect.stringContaining('elicitation.form') },
    })
  })
})

describe('a modern client of a server that asks back while it works', () => {
  const call = { server: 'legacy', name: 'confirm' }

  verifies('rounds:input', 'is told what is missing, and the same call goes on with the answer', async () => {
    const before = legacy.requests.filter(({ rpcMethod }) => rpcMethod === 'tools/call').length
    const { keys, requestState } = inputOf(await send(gateway, modernPeer(), call))
    const [key = ''] = keys
    const answer = await send(gateway, modernPeer(), {
      ...call,
      round: { requestState, inputResponses: { [key]: accepted({ sure: true }) } },
    })
    expect(answer).toMatchObject({ content: [{ text: JSON.stringify(accepted({ sure: true })) }] })
    expect(legacy.requests.filter(({ rpcMethod }) => rpcMethod === 'tools/call')).toHaveLength(before + 1)
  })

  verifies('rounds:input', 'is asked again for what it leaves out', async () => {
    const { requestState } = inputOf(await send(gateway, modernPeer(), call))
    const again = inputOf(await send(gateway, modernPeer(), { ...call, round: { requestState } }))
    const [key = ''] = again.keys
    const answer = await send(gateway, modernPeer(), {
      ...call,
      round: { requestState: again.requestState, inputResponses: { [key]: { action: 'decline' } } },
    })
    expect(JSON.stringify(answer)).toContain('decline')
  })

  verifies('rounds:sealed-and-once', "goes on once, and with nobody else's answer", async () => {
    const { keys, requestState } = inputOf(await send(gateway, modernPeer(), call))
    const [key = ''] = keys
    const round = { requestState, inputResponses: { [key]: accepted({ sure: true }) } }
    const bob = principalOf({ id: 'bob', admin: true })
    const foreign = send(gateway, modernPeer(), { ...call, round, principal: bob })
    await expect(foreign).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
    })
    await send(gateway, modernPeer(), { ...call, round })
    await expect(send(gateway, modernPeer(), { ...call, round })).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
      message: expect.stringContaining('over'),
    })
  })
})

describe('a call of several rounds', () => {
  verifies('rounds:sealed-and-once', 'is one row of the ledger, also where nobody comes back', async () => {
    const clock = fakeClock()
    const database = await openTestDatabase()
    await using own = await boot({
      clock,
      database,
      config: { mcp_servers: { modern: { url: modern.url, allow_elicitation: true } } },
    })
    const call = { server: 'modern', name: 'confirm' }
    const { requestState } = inputOf(await send(own, modernPeer(), call))
    clock.advance(60_000)
    await send(own, modernPeer(), {
      ...call,
      round: { requestState, inputResponses: { sure: accepted({ sure: true }) } },
    })
    inputOf(await send(own, modernPeer(), { ...call, args: { other: true } }))
    const rows = async () => (await database.db.select().from(calls)).filter(({ kind }) => kind === 'tool_call')
    clock.advance(1_000)
    await vi.waitFor(async () => expect((await rows()).map(({ outcome }) => outcome)).toEqual(['ok']))
    clock.advance(10 * 60_000)
    await vi.waitFor(async () => {
      clock.advance(1_000)
      expect((await rows()).map(({ outcome }) => outcome).toSorted()).toEqual(['input_required', 'ok'])
    })
  })

  verifies('rounds:sealed-and-once', 'has ten minutes for an answer', async () => {
    const clock = fakeClock()
    await using own = await boot({
      clock,
      config: { mcp_servers: { legacy: { url: legacy.url, allow_elicitation: true, timeout: 3_600 } } },
    })
    const call = { server: 'legacy', name: 'confirm' }
    const { requestState } = inputOf(await send(own, modernPeer(), call))
    clock.advance(10 * 60_000 + 1)
    await expect(send(own, modernPeer(), { ...call, round: { requestState } })).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
    })
  })
})
