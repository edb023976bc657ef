import { startRawMcpServer, type RawMcpServer } from '@toolgate/testing/mcp-raw'
import * as faulty from '@toolgate/testing/mcp-faulty-http'
import { cutEvents, forEver } from '@toolgate/testing/mcp-faulty-stream'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { verifies } from '../../verifies.ts'
import { always, at, type HttpFakes, startHttpFakes } from './http-rows.ts'
import { prove } from './prove.ts'
import { busy, outOfProtocol, rejected, timesOut, unreachable } from './verdicts.ts'
import { type FaultWorld, startFaultWorld } from './world.ts'

/** Another origin, to which no credential may ever go. */
let elsewhere: RawMcpServer
let world: FaultWorld & { readonly fakes: HttpFakes }

const rows = [
  at('refuses connections', ({ closed }) => closed, unreachable('connect')),
  at('accepts connections and says nothing', ({ silent }) => silent, timesOut('handshake')),
  always('never answers the handshake', faulty.hangs, timesOut('handshake')),
  always('dribbles', faulty.dribbles, timesOut('handshake')),
  always('cuts every connection', faulty.cuts, unreachable('handshake')),
  always('answers 401', faulty.status(401), rejected('handshake')),
  always('answers 403', faulty.status(403), rejected('handshake')),
  always('answers 404', faulty.status(404), outOfProtocol('handshake')),
  always('answers 429', faulty.status(429), busy('handshake')),
  always('answers 500', faulty.status(500), outOfProtocol('handshake')),
  always('answers 503', faulty.status(503), unreachable('handshake')),
  always('answers HTML', faulty.status(200), outOfProtocol('handshake')),
  always('answers its request as text', faulty.repeatsRequestAsJson, outOfProtocol('handshake')),
  always('answers no JSON-RPC', faulty.document('{"ok":true}'), outOfProtocol('handshake')),
  always(
    'speaks an unknown version',
    faulty.document((id) => JSON.stringify({ jsonrpc: '2.0', id, result: { protocolVersion: '1999-01-01' } })),
    outOfProtocol('handshake'),
  ),
  always('redirects for ever', faulty.redirectsForEver, outOfProtocol('handshake')),
  always(
    'redirects to another origin',
    (exchange) => faulty.redirectsTo(elsewhere.url)(exchange),
    outOfProtocol('handshake'),
  ),
  always('sends a huge header', faulty.sendsHugeHeader, unreachable('handshake')),
  always(
    'keeps a stream alive without answering',
    forEver(() => ': still here\n\n'),
    timesOut('handshake'),
  ),
  always(
    'cuts its stream in the middle of an event',
    cutEvents(() => ['event: message\ndata: {"jsonrpc":"2.0","id":1,"resu']),
    unreachable('handshake'),
  ),
]

describe('a server over streamable HTTP that', () => {
  beforeAll(async () => {
    elsewhere = await startRawMcpServer()
    world = await startFaultWorld({ rows, start: startHttpFakes })
  })
  afterAll(async () => {
    await world[Symbol.asyncDispose]()
    await elsewhere[Symbol.asyncDispose]()
  })

  describe.concurrent('when it is connected to', () => {
    for (const row of rows) {
      verifies('faults:every-door', `${row.name} fails its own requests, each door saying so, and nothing else`, () =>
        prove(row, world),
      )
    }
  })

  verifies('identity:gateway-key-stays', 'redirects sees nobody follow it to another origin', () => {
    expect(elsewhere.requests).toEqual([])
  })

  verifies('faults:nothing-left-open', 'fails in any of these ways leaves no socket and no timer behind', () =>
    world.expectNothingLeft(),
  )
})
