import * as faulty from '@toolgate/testing/mcp-faulty-http'
import * as stream from '@toolgate/testing/mcp-faulty-stream'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { verifies } from '../../verifies.ts'
import { fromTheStart, type HttpFakes, inCalls, startHttpFakes } from './http-rows.ts'
import { prove } from './prove.ts'
import { busy, outOfProtocol, passes, rejected, timesOut, unreachable, upstreamError } from './verdicts.ts'
import { type FaultWorld, serverOf, startFaultWorld } from './world.ts'

let world: FaultWorld & { readonly fakes: HttpFakes }

const flood = inCalls('floods with list_changed before it answers', stream.floodsThenAnswers, passes('after the flood'))

const forgetful = [
  fromTheStart('forgets its session once', faulty.forgetsSession(1), { call: passes(), list: passes() }),
  fromTheStart('forgets every session', faulty.forgetsSession(1_000), { call: outOfProtocol('call'), list: passes() }),
]

const asDocuments = [
  inCalls('answers a call with 404', faulty.status(404), outOfProtocol('call')),
  inCalls('never answers a call', faulty.hangs, timesOut('call')),
  inCalls('dribbles its answer', faulty.dribbles, timesOut('call')),
  inCalls('cuts the connection', faulty.cuts, unreachable('call')),
  inCalls('answers a call with 401', faulty.status(401), rejected('call')),
  inCalls('answers a call with 403', faulty.status(403), rejected('call')),
  inCalls('answers a call with 429', faulty.status(429), busy('call')),
  inCalls('answers a call with 500', faulty.status(500), outOfProtocol('call')),
  inCalls('answers a call with 503', faulty.status(503), unreachable('call')),
  inCalls('answers a call with HTML', faulty.status(200), outOfProtocol('call')),
  inCalls('answers a call with its request as text', faulty.repeatsRequestAsJson, outOfProtocol('call')),
  inCalls('answers a call with no JSON-RPC', faulty.document('{"ok":true}'), outOfProtocol('call')),
  inCalls('answers a call with nothing', faulty.document(''), outOfProtocol('call')),
  inCalls('answers a call with a JSON-RPC error', faulty.rpcError, upstreamError('call')),
  inCalls('answers a call under a wrong id', faulty.document(faulty.succeeds('"another"', 'x')), outOfProtocol('call')),
  inCalls(
    'answers the call of somebody else',
    faulty.document((id) => faulty.succeeds(Number(id) - 1, 'meant for another')),
    outOfProtocol('call'),
  ),
  inCalls('answers a call twice', faulty.answersTwice, passes()),
  inCalls('splits a character over two chunks', faulty.splitsCharacter, passes('half 🧨 whole')),
  inCalls(
    'writes bytes that are no UTF-8',
    faulty.document((id) => Buffer.from(faulty.succeeds(id, 'caf\u00e9'), 'latin1')),
    passes('caf\ufffd'),
  ),
  inCalls(
    'ends in the middle of a character',
    faulty.document((id) => Buffer.from(faulty.succeeds(id, 'cut 🧨')).subarray(0, -7)),
    outOfProtocol('call'),
  ),
  inCalls('answers 200,000 levels deep', faulty.nests(200_000), outOfProtocol('call')),
  inCalls('cuts its answer', faulty.cutsBody, unreachable('call')),
  inCalls('promises more than it sends', faulty.promisesMore, unreachable('call')),
  inCalls('promises less than it sends', faulty.promisesLess, outOfProtocol('call')),
  inCalls('answers with gzip that nobody asked for', faulty.sendsGzip, outOfProtocol('call')),
]

const asStreams = [
  inCalls(
    'keeps its stream alive without answering',
    stream.forEver(() => ': still here\n\n'),
    timesOut('call'),
  ),
  inCalls(
    'sends events of other types without end',
    stream.forEver(() => 'event: noise\ndata: junk\n\n'),
    timesOut('call'),
  ),
  // In progress of its own call for whoever asked for it; the chat door asks for none.
  inCalls('reports progress without end', stream.endlessProgress, timesOut('call')),
  inCalls(
    'sends other notifications without end',
    stream.forEver(() => stream.notification('notifications/message', { level: 'info', data: 'working' })),
    timesOut('call'),
  ),
  inCalls(
    'sends events that are no JSON',
    stream.forEver(() => 'data: junk\n\n'),
    outOfProtocol('call'),
  ),
  inCalls(
    'sends events that are no JSON-RPC',
    stream.forEver(() => ({ ok: true })),
    outOfProtocol('call'),
  ),
  inCalls(
    'ends its stream without answering',
    stream.events(() => [stream.notification('notifications/message', { level: 'info', data: 'working' })]),
    unreachable('call'),
  ),
  inCalls(
    'cuts its stream in the middle of an answer',
    stream.cutEvents(() => ['data: {"jsonrpc":"2.0","id":3,"resu']),
    unreachable('call'),
  ),
  inCalls(
    'streams a wrong id',
    stream.events(() => [{ jsonrpc: '2.0', id: 'another', result: {} }]),
    outOfProtocol('call'),
  ),
  inCalls('streams its answer twice', stream.streamsAnswerTwice, passes('the first')),
  inCalls('streams half a character at a time', stream.streamsCharacterInHalves, passes('half 🧨 whole')),
  flood,
]

describe('a server over streamable HTTP that', () => {
  beforeAll(async () => {
    world = await startFaultWorld({ rows: [...forgetful, ...asDocuments, ...asStreams], start: startHttpFakes })
  })
  afterAll(() => world[Symbol.asyncDispose]())

  describe.concurrent('when it answers with a document', () => {
    for (const row of [...forgetful, ...asDocuments]) {
      verifies('faults:every-door', `${row.name} is told so at every door, or does no harm`, () => prove(row, world))
    }
  })

  describe.concurrent('when it answers with a stream', () => {
    for (const row of asStreams) {
      verifies('faults:every-door', `${row.name} is told so at every door, or does no harm`, () => prove(row, world))
    }
  })

  verifies(
    'faults:contained',
    'floods with list_changed is asked for its list a few times more, not 5,000 times',
    () => {
      // Changes are gathered for a moment, and a flood may last for several.
      expect(world.fakes.servers.received(serverOf(flood, 'rest'), 'tools/list')).toBeLessThanOrEqual(20)
    },
  )

  verifies('faults:contained', 'may have done what it was asked for is not asked twice', () => {
    const { servers } = world.fakes
    for (const row of [...asDocuments, ...asStreams]) {
      expect([row.name, servers.received(serverOf(row, 'rest'), 'tools/call')]).toEqual([row.name, 1])
    }
  })

  verifies('faults:nothing-left-open', 'fails in any of these ways leaves no socket and no timer behind', () =>
    world.expectNothingLeft(),
  )
})
