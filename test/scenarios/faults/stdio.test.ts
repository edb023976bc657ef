import { type FaultyChildren, prepareFaultyChildren } from '@toolgate/testing/mcp-faulty-stdio'
import { afterAll, beforeAll, describe, expect, vi } from 'vitest'
import { verifies } from '../../verifies.ts'
import { prove } from './prove.ts'
import { outOfProtocol, passes, thenPutOff, timesOut, unreachable, upstreamError, type Verdict } from './verdicts.ts'
import { callTimeout, type FaultFakes, type FaultRow, type FaultWorld, startFaultWorld } from './world.ts'

interface Fakes extends FaultFakes {
  readonly children: FaultyChildren
}

interface Verdicts {
  readonly call?: Verdict
  readonly list?: Verdict
}

const child = (name: string, mood: string, { call = passes(), list = passes() }: Verdicts): FaultRow<Fakes> => ({
  name,
  oneForAll: true,
  call,
  list,
  host: ({ children }, _server, token) => ({ ...children.host(mood, token), timeout: 2 * callTimeout }),
})

/** Its end is seen by whoever asks next, so each door has a child of its own. */
const dying = (name: string, mood: string, verdicts: Verdicts) => ({ ...child(name, mood, verdicts), oneForAll: false })

const missing: FaultRow<Fakes> = {
  name: 'whose command is not there',
  call: unreachable('connect'),
  list: unreachable('connect'),
  host: (_fakes, _server, token) => ({ command: '/nowhere/to/be/found', env: { TOKEN: token } }),
}

/** Each with a gateway of its own: a gateway has a bound on its children. */
const tables: Record<string, readonly FaultRow<Fakes>[]> = {
  'at its start': [
    missing,
    dying('dies at its start', 'dies_at_start', {
      call: thenPutOff(unreachable('handshake')),
      list: thenPutOff(unreachable('handshake')),
    }),
    dying('never answers the handshake', 'hangs_at_handshake', {
      call: thenPutOff(timesOut('handshake')),
      list: thenPutOff(timesOut('handshake')),
    }),
    child('prints junk', 'prints_junk', {}),
    child('names the same cursor for ever', 'same_cursor', { list: outOfProtocol('list') }),
    child('never answers a list', 'hangs_at_list', { list: timesOut('list') }),
    child('ignores every signal and leaves a grandchild', 'ignores_signals', {}),
  ],
  'in a call': [
    dying('dies', 'dies_mid_call', { call: unreachable('call') }),
    child('never answers', 'hangs_in_call', { call: timesOut('call') }),
    dying('closes its output and lives on', 'closes_stdout', { call: timesOut('call') }),
    child('floods its error output', 'floods_stderr', {}),
    child('answers with a JSON-RPC error', 'answers_error', { call: upstreamError('call') }),
    child('answers under a wrong id', 'answers_wrong_id', { call: timesOut('call') }),
    child('answers twice', 'answers_twice', { call: passes('the first') }),
    child('splits a character over two writes', 'splits_character', { call: passes('half 🧨 whole') }),
    child('answers 200,000 levels deep', 'nests_deep', { call: outOfProtocol('call') }),
    child('answers with ten megabytes', 'sends_10_mb', { call: passes('x'.repeat(10 * 1024 * 1024)) }),
    child('floods with list_changed', 'floods_changes', {}),
  ],
}

async function startChildren(): Promise<Fakes> {
  const children = await prepareFaultyChildren()
  return {
    children,
    // What is open between the gateway and a child is the child's life, which is counted at the end.
    openExchanges: () => 0,
    sockets: 0,
    [Symbol.asyncDispose]: () => children[Symbol.asyncDispose](),
  }
}

for (const [when, rows] of Object.entries(tables)) {
  describe(`a child process that, ${when},`, () => {
    let world: FaultWorld & { readonly fakes: Fakes }
    beforeAll(async () => {
      world = await startFaultWorld({ rows, start: startChildren })
    })
    afterAll(() => world[Symbol.asyncDispose]())

    describe.concurrent('misbehaves', () => {
      for (const row of rows) {
        verifies('faults:every-door', `${row.name}: told so at every door, or no harm done`, () => prove(row, world))
      }
    })

    verifies(
      'faults:nothing-left-open',
      'fails in any of these ways leaves no process, pipe or timer behind',
      async () => {
        const { children } = world.fakes
        expect((await children.started()).length).toBeGreaterThanOrEqual(rows.length)
        await world.gateway[Symbol.asyncDispose]()
        await vi.waitFor(async () => expect(await children.running()).toEqual([]), {
          timeout: 10_000,
          interval: 50,
        })
        await world.expectNothingLeft()
      },
    )
  })
}
