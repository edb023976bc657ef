import {
  type FaultyLegacyServers,
  type LegacyFault,
  onPost,
  onStream,
  startFaultyLegacyServers,
} from '@toolgate/testing/mcp-faulty-legacy'
import { answer, textResult } from '@toolgate/testing/mcp-faulty-answers'
import { eventOf, notification } from '@toolgate/testing/mcp-faulty-stream'
import { startRawMcpServer, type RawMcpServer } from '@toolgate/testing/mcp-raw'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { verifies } from '../../verifies.ts'
import { prove } from './prove.ts'
import { outOfProtocol, passes, rejected, timesOut, unreachable, upstreamError, type Verdict } from './verdicts.ts'
import { callTimeout, type FaultRow, type FaultWorld, startFaultWorld } from './world.ts'

type Fakes = FaultyLegacyServers

let elsewhere: RawMcpServer
let world: FaultWorld & { readonly fakes: Fakes }

const hosted = (name: string, fault: LegacyFault | (() => LegacyFault)): Pick<FaultRow<Fakes>, 'name' | 'host'> => ({
  name,
  host: (fakes, server, token) => ({
    transport: 'sse',
    url: fakes.host(server, typeof fault === 'function' ? fault() : fault),
    auth_type: 'bearer_token',
    authentication_token: token,
    timeout: callTimeout,
  }),
})

const always = (name: string, fault: LegacyFault | (() => LegacyFault), verdict: Verdict): FaultRow<Fakes> => ({
  ...hosted(name, fault),
  call: verdict,
  list: verdict,
})

const inCalls = (name: string, fault: LegacyFault, call: Verdict): FaultRow<Fakes> => ({
  ...hosted(name, fault),
  oneForAll: true,
  call,
  list: passes(),
})

/** What one door does ends the session for all. */
const cutInCalls = (name: string, fault: LegacyFault, call: Verdict) => ({
  ...inCalls(name, fault, call),
  oneForAll: false,
})

const page = (status: number): LegacyFault => ({
  open: ({ response, raw }) =>
    void response.writeHead(status, { 'content-type': 'text/html' }).end(`<pre>${raw}</pre>`),
})

const rows = [
  always('never opens its stream', { open: () => {} }, timesOut('connect')),
  always('cuts the connection', { open: ({ response }) => void response.destroy() }, unreachable('connect')),
  always('answers 401', page(401), rejected('connect')),
  always('answers 404', page(404), outOfProtocol('connect')),
  always('answers 500', page(500), outOfProtocol('connect')),
  always('answers HTML', page(200), unreachable('connect')),
  always(
    'never says where messages go',
    { open: ({ response }) => response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders() },
    timesOut('connect'),
  ),
  always('sends its messages to another origin', () => ({ endpoint: elsewhere.url }), unreachable('connect')),
  always(
    'never answers the handshake',
    onStream(() => {}, 'initialize'),
    timesOut('handshake'),
  ),
  inCalls(
    'never answers a call',
    onStream(() => {}),
    timesOut('call'),
  ),
  inCalls(
    'accepts no message',
    onPost(({ response, raw }) => void response.writeHead(500).end(raw)),
    outOfProtocol('call'),
  ),
  inCalls(
    'refuses the credential of a message',
    onPost(({ response, raw }) => void response.writeHead(401).end(raw)),
    rejected('call'),
  ),
  inCalls(
    'answers with a JSON-RPC error',
    onStream(({ message, stream, raw }) => {
      const error = { code: -32050, message: 'broken on purpose', data: { raw } }
      stream.write(eventOf({ jsonrpc: '2.0', id: message['id'], error }))
    }),
    upstreamError('call'),
  ),
  cutInCalls(
    'cuts its stream',
    onStream(({ stream }) => void stream.destroy()),
    unreachable('call'),
  ),
  cutInCalls(
    'ends its stream',
    onStream(({ stream }) => void stream.end()),
    unreachable('call'),
  ),
  cutInCalls(
    'cuts its stream in the middle of an event',
    onStream(({ stream }) => void stream.write('data: {"jsonrpc":"2.0","id":3,"resu', () => stream.destroy())),
    unreachable('call'),
  ),
  inCalls(
    'answers under a wrong id',
    onStream(({ stream }) => void stream.write(eventOf(answer('another', textResult('not yours'))))),
    timesOut('call'),
  ),
  inCalls(
    'answers twice',
    onStream(({ stream, message }) => {
      stream.write(eventOf(answer(message['id'], textResult('the first'))))
      stream.write(eventOf(answer(message['id'], textResult('the second'))))
    }),
    passes('the first'),
  ),
  inCalls(
    'sends junk before it answers',
    onStream(({ stream, message }) => {
      stream.write(`data: junk\n\nevent: noise\ndata: x\n\n: comment\n\n${eventOf({ ok: true })}`)
      stream.write(eventOf(answer(message['id'], textResult('behind the junk'))))
    }),
    passes('behind the junk'),
  ),
  inCalls(
    'splits a character over two chunks',
    onStream(({ stream, message }) => {
      const bytes = Buffer.from(eventOf(answer(message['id'], textResult('half 🧨 whole'))))
      const middle = bytes.indexOf(Buffer.from('🧨')) + 2
      stream.write(bytes.subarray(0, middle), () => void stream.write(bytes.subarray(middle)))
    }),
    passes('half 🧨 whole'),
  ),
  inCalls(
    'floods with list_changed before it answers',
    onStream(({ stream, message }) => {
      for (let count = 0; count < 5_000; count += 1) {
        stream.write(eventOf(notification('notifications/tools/list_changed')))
      }
      stream.write(eventOf(answer(message['id'], textResult('after the flood'))))
    }),
    passes('after the flood'),
  ),
]

describe('a server over legacy SSE that', () => {
  beforeAll(async () => {
    elsewhere = await startRawMcpServer()
    world = await startFaultWorld({ rows, start: startFaultyLegacyServers })
  })
  afterAll(async () => {
    await world[Symbol.asyncDispose]()
    await elsewhere[Symbol.asyncDispose]()
  })

  describe.concurrent('is asked', () => {
    for (const row of rows) {
      verifies('faults:every-door', `${row.name} is told so at every door, or does no harm`, () =>
        // The streams of the service's own connection, and of the caller's.
        prove(row, world, { kept: 2 }),
      )
    }
  })

  verifies('identity:gateway-key-stays', 'points to another origin sees nobody go there', () => {
    expect(elsewhere.requests).toEqual([])
  })

  verifies('faults:nothing-left-open', 'fails in any of these ways leaves no socket and no timer behind', () =>
    world.expectNothingLeft(),
  )
})
