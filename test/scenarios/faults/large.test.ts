import { sendsMuch } from '@toolgate/testing/mcp-faulty-http'
import { oneEndlessEvent } from '@toolgate/testing/mcp-faulty-stream'
import { afterAll, beforeAll, describe } from 'vitest'
import { verifies } from '../../verifies.ts'
import { type HttpFakes, inCalls, startHttpFakes } from './http-rows.ts'
import { prove } from './prove.ts'
import { outOfProtocol, passes } from './verdicts.ts'
import { type FaultWorld, startFaultWorld } from './world.ts'

const megabytes = 1024 * 1024
let world: FaultWorld & { readonly fakes: HttpFakes }

const rows = [
  inCalls('answers with ten megabytes', sendsMuch(10 * megabytes), passes('x'.repeat(10 * megabytes))),
  inCalls('answers with more than any answer may hold', sendsMuch(66 * megabytes), outOfProtocol('call')),
  inCalls('streams an event larger than any may be', oneEndlessEvent(66 * megabytes), outOfProtocol('call')),
]

/** One after the other: all of it happens in this process, the sending included. */
describe('a server over streamable HTTP that', () => {
  beforeAll(async () => {
    world = await startFaultWorld({ rows, start: startHttpFakes })
  })
  afterAll(() => world[Symbol.asyncDispose]())

  for (const row of rows) {
    verifies('faults:every-door', `${row.name} is told so at every door, or does no harm`, () => prove(row, world))
  }

  verifies('faults:nothing-left-open', 'fails in any of these ways leaves no socket and no timer behind', () =>
    world.expectNothingLeft(),
  )
})
