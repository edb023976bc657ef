import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { isJsonObject, type JsonObject } from '@toolgate/core'
import {
  answerWell,
  type Exchange,
  type Fault,
  type FaultyMcpServers,
  sendJson,
  startFaultyMcpServers,
} from '@toolgate/testing/mcp-faulty'
import { answer, textResult, tool } from '@toolgate/testing/mcp-faulty-answers'
import { afterAll, beforeAll, describe, expect, vi } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'
import { type HurriedClock, hurriedClock } from './faults/hurried-clock.ts'
import { expectNoMoreThan, openHandles } from './faults/open-handles.ts'

const healthyNames = Array.from({ length: 90 }, (_, index) => `good_${index + 1}`)
const deadNames = Array.from({ length: 5 }, (_, index) => `dead_${index + 1}`)
const slowNames = Array.from({ length: 5 }, (_, index) => `slow_${index + 1}`)

/** How many calls are in flight at once. */
const callers = 256

/** Milliseconds: what a list of everything waits for servers that were never listed, and what a busy machine adds. */
const firstListMs = 1_500 + 2_000

/** Milliseconds for a list of a hundred servers out of memory, on a machine that is busy with other tests. */
const cachedListMs = 500

/** Bytes that may be more in use after thousands of calls than before them. */
const maxGrowth = 24 * 1024 * 1024

/** Calls that wait at the servers until as many are there as one waits for: then all are answered, the last one first. */
function createGate() {
  const waiting: (() => void)[] = []
  let size = 1
  return {
    open(count: number) {
      size = count
    },
    async pass() {
      const { promise, resolve } = Promise.withResolvers<void>()
      waiting.push(resolve)
      if (waiting.length >= size) for (const leave of waiting.splice(0).toReversed()) leave()
      await promise
    },
  }
}

const gate = createGate()

/** A good server with a tool of its own, whose result says which server was called with what. */
const good =
  (name: string): Fault =>
  async (exchange: Exchange) => {
    const { message, response } = exchange
    if (message['method'] === 'tools/list') {
      return sendJson(response, answer(message['id'], { tools: [tool(`tool_of_${name}`)] }))
    }
    if (message['method'] !== 'tools/call') return answerWell(exchange)
    await gate.pass()
    const { params } = message
    const given = isJsonObject(params) ? params['arguments'] : undefined
    return sendJson(response, answer(message['id'], textResult(JSON.stringify({ server: name, given }))))
  }

const hangs: Fault = () => {}

interface LoadedGateway {
  readonly gateway: Booted
  readonly clock: HurriedClock
}

/**
 * Only the long bounds are shortened: lists are measured with the patience that they have, while the slow servers, asked for
 * the first time, have not failed yet.
 */
function impatientClock(): HurriedClock {
  const hurried = hurriedClock(4)
  const real = hurriedClock(1)
  return {
    ...real,
    after: (delayMs, run) => (delayMs >= 10_000 ? hurried : real).after(delayMs, run),
    get pending() {
      return hurried.pending + real.pending
    },
  }
}

async function startGateway(servers: Readonly<Record<string, object>>): Promise<LoadedGateway> {
  const clock = impatientClock()
  const general_settings = { mcp_default_access: 'all' }
  return { clock, gateway: await boot({ clock, config: { mcp_servers: servers, general_settings } }) }
}

async function timed<Result>(work: () => Promise<Result>): Promise<{ result: Result; ms: number }> {
  const startedMs = performance.now()
  return { result: await work(), ms: performance.now() - startedMs }
}

const listAll = (gateway: Booted) => timed(() => gateway.json('/mcp-rest/tools/list'))

/** Of several, the one in the middle: one pause of a busy machine says nothing. */
async function cachedMs(gateway: Booted): Promise<number> {
  const runs: number[] = []
  for (let run = 0; run < 7; run += 1) runs.push((await listAll(gateway)).ms)
  return runs.toSorted((left, right) => left - right)[3] ?? Number.POSITIVE_INFINITY
}

function toolNames({ tools }: JsonObject | Record<string, unknown>): unknown[] {
  return Array.isArray(tools) ? tools.map((one: unknown) => (isJsonObject(one) ? one['name'] : one)) : []
}

function statuses(list: Record<string, unknown>, names: readonly string[]): unknown[] {
  const meta = list['_meta']
  const outcomes: unknown = isJsonObject(meta) ? meta['toolgate/outcomes'] : undefined
  const found = Array.isArray(outcomes) ? outcomes.filter(isJsonObject) : []
  return names.map((name) => found.find((one) => one['server_name'] === name)?.['status'])
}

const every = (names: readonly string[], status: string) => names.map(() => status)

function usedBytes(): number {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  if (typeof collect === 'function') collect()
  return process.memoryUsage().heapUsed
}

describe('a hundred servers, five of them dead and five of them slow,', () => {
  const before = openHandles()
  const rejections: unknown[] = []
  const note = (reason: unknown) => void rejections.push(reason)
  let ports: FaultyMcpServers[]
  let all: LoadedGateway
  let baseline: LoadedGateway

  beforeAll(async () => {
    process.on('unhandledRejection', note)
    const gone = await startFaultyMcpServers()
    ports = [await startFaultyMcpServers(), await startFaultyMcpServers()]
    const hosting = (names: readonly string[], fault: (name: string) => Fault) =>
      names.flatMap((name, index) => {
        const url = ports[index % 2]?.host(name, fault(name), 'everything')
        return url === undefined ? [] : [[name, { url }] as const]
      })
    const healthy = hosting(healthyNames, good)
    const slow = hosting(slowNames, () => hangs)
    const dead = deadNames.map((name) => [name, { url: gone.host(name, hangs, 'everything') }] as const)
    await gone[Symbol.asyncDispose]()
    ;[baseline, all] = await Promise.all([
      startGateway(Object.fromEntries(healthy)),
      startGateway(Object.fromEntries([...healthy, ...dead, ...slow])),
    ])
  })
  afterAll(async () => {
    process.off('unhandledRejection', note)
    for (const { gateway } of [all, baseline]) await gateway[Symbol.asyncDispose]()
    for (const port of ports) await port[Symbol.asyncDispose]()
  })

  verifies(
    'load:many-servers',
    'are listed within the deadline of the healthy ones, each failure with its reason',
    async () => {
      const { result, ms } = await listAll(all.gateway)
      expect(toolNames(result)).toEqual(expect.arrayContaining(healthyNames.map((name) => `tool_of_${name}`)))
      expect(statuses(result, healthyNames)).toEqual(every(healthyNames, 'ok'))
      expect(statuses(result, deadNames)).toEqual(every(deadNames, 'unreachable'))
      expect(statuses(result, slowNames)).toEqual(every(slowNames, 'timeout'))
      const alone = await listAll(baseline.gateway)
      expect(ms).toBeLessThan(alone.ms + firstListMs)
    },
  )

  verifies(
    'load:many-servers',
    'are listed out of memory once each was asked, as fast as without the bad ones',
    async () => {
      await vi.waitFor(async () => expect((await listAll(all.gateway)).ms).toBeLessThan(cachedListMs), {
        timeout: 15_000,
        interval: 100,
      })
      const [alone, together] = [await cachedMs(baseline.gateway), await cachedMs(all.gateway)]
      expect(together).toBeLessThan(10 * alone + 50)
    },
  )

  /** One call per caller, each with arguments of its own; answers what each got, and from which server it wanted it. */
  const callAll = (keys: readonly string[], round: number) =>
    Promise.all(
      Array.from({ length: callers }, async (_, caller) => {
        const server = healthyNames[caller % healthyNames.length] ?? ''
        const given = { caller, round }
        const call = { name: `tool_of_${server}`, arguments: given }
        const request =
          caller % 2 === 0
            ? { path: '/mcp-rest/tools/call', body: { ...call, server_id: server } }
            : { path: '/mcp/tools/call', body: { ...call, name: `${server}-${call.name}` } }
        const key = keys[caller % keys.length] ?? ''
        const got = await all.gateway.json(request.path, { body: request.body, key })
        return { got, wanted: textResult(JSON.stringify({ server, given })) }
      }),
    )

  verifies(
    'load:many-servers',
    '256 callers in flight at once each get their own result, and memory returns to where it was',
    async () => {
      const keys = await Promise.all(Array.from({ length: 32 }, () => all.gateway.makeKey()))
      gate.open(callers)
      const answers = await callAll(keys, 0)
      gate.open(1)
      for (const { got, wanted } of answers) expect(got).toEqual(wanted)

      for (let round = 1; round <= 3; round += 1) await callAll(keys, round)
      const warm = usedBytes()
      for (let round = 4; round <= 15; round += 1) {
        for (const { got, wanted } of await callAll(keys, round)) expect(got).toEqual(wanted)
      }
      expect(usedBytes() - warm).toBeLessThan(maxGrowth)
    },
  )

  verifies('faults:nothing-left-open', 'leave no socket, timer or unhandled rejection behind', async () => {
    for (const { gateway, clock } of [all, baseline]) {
      await gateway[Symbol.asyncDispose]()
      expect(clock.pending).toBe(0)
    }
    await vi.waitFor(() => expect(ports.map(({ sockets }) => sockets)).toEqual([0, 0]), { timeout: 5_000 })
    for (const port of ports) await port[Symbol.asyncDispose]()
    await expectNoMoreThan(before)
    expect(rejections).toEqual([])
  })
})
