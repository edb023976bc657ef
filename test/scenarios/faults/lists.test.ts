import * as faulty from '@toolgate/testing/mcp-faulty-http'
import * as lists from '@toolgate/testing/mcp-faulty-lists'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { verifies } from '../../verifies.ts'
import { type HttpFakes, inLists, startHttpFakes } from './http-rows.ts'
import { prove } from './prove.ts'
import { outOfProtocol, passes, timesOut, unreachable } from './verdicts.ts'
import { type FaultWorld, serverOf, startFaultWorld } from './world.ts'

let world: FaultWorld & { readonly fakes: HttpFakes }

const endless = inLists('has pages without end', lists.answersList(lists.pagesWithoutEnd), outOfProtocol('list'))
const broken = inLists('lists things that are no tools', lists.answersList(lists.brokenTools), passes())

const rows = [
  endless,
  broken,
  inLists('names the same cursor for ever', lists.answersList(lists.sameCursorForEver), outOfProtocol('list')),
  inLists('lists 20,000 tools', lists.answersList(lists.tooManyTools), outOfProtocol('list')),
  inLists('gives a tool a name of 10 kB', lists.answersList(lists.hugeNames), passes()),
  inLists('lists no list', lists.answersList(lists.noList), outOfProtocol('list')),
  inLists('has a cursor that is none', lists.answersList(lists.noCursor), outOfProtocol('list')),
  inLists('never answers a list', faulty.hangs, timesOut('list')),
  inLists('cuts its list', faulty.cutsBody, unreachable('list')),
  inLists('answers a list with 500', faulty.status(500), outOfProtocol('list')),
  inLists('answers a list with a JSON-RPC error', faulty.rpcError, outOfProtocol('list')),
  inLists('lists 200,000 levels deep', faulty.nests(200_000), outOfProtocol('list')),
]

describe('a server that', () => {
  beforeAll(async () => {
    world = await startFaultWorld({ rows, start: startHttpFakes })
  })
  afterAll(() => world[Symbol.asyncDispose]())

  describe.concurrent('when it lists its tools', () => {
    for (const row of rows) {
      verifies('faults:every-door', `${row.name} is told so at every door, and can be called all the same`, () =>
        prove(row, world),
      )
    }
  })

  verifies('faults:contained', 'has pages without end is asked for a bounded number of them', () => {
    const server = serverOf(endless, 'rest')
    expect(world.fakes.servers.received(server, 'tools/list')).toBeLessThanOrEqual(200)
  })

  verifies(
    'list:outcome-per-server',
    'lists things that are no tools has each of them withheld with its reason',
    async () => {
      const { body } = await world.ask(`/mcp-rest/tools/list?server_id=${serverOf(broken, 'look')}`)
      expect(body['tools']).toHaveLength(1)
      expect(body['_meta']).toMatchObject({
        'toolgate/withheld': expect.arrayContaining([
          expect.objectContaining({ name: '#1', reason: 'Not an object.' }),
          expect.objectContaining({ name: 'bad_schema' }),
        ]),
      })
    },
  )

  verifies('faults:nothing-left-open', 'fails in any of these ways leaves no socket and no timer behind', () =>
    world.expectNothingLeft(),
  )
})
