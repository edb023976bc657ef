import { isJsonObject } from '@toolgate/core'
import { type RawAnswer, type RawRequest, resultFor, startRawMcpServer, wellBehaved } from '@toolgate/testing/mcp-raw'
import {
  type Arbitrary,
  array,
  assert,
  asyncProperty,
  boolean,
  constantFrom,
  record,
  type Scheduler,
  scheduler as schedulers,
} from 'fast-check'
import { describe, expect } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'

/** What a person at a client sends; `key` is the gateway's, `upstream` the credential of that person at the server. */
interface Person {
  readonly name: string
  readonly key: string
  readonly headers: Readonly<Record<string, string>>
}

type Action = 'list' | 'call'
interface Step {
  readonly person: 0 | 1
  readonly action: Action
  /** The upstream forgets every session first, as a restart does. */
  readonly afterRestart: boolean
  /** Waits for all steps before it. */
  readonly alone: boolean
}

const steps: Arbitrary<Step[]> = array(
  record({
    person: constantFrom(0 as const, 1 as const),
    action: constantFrom<Action>('list', 'call'),
    afterRestart: boolean(),
    alone: boolean(),
  }),
  { minLength: 2, maxLength: 10 },
)

/**
 * A server that keeps everything by `Authorization`: sessions, the list of tools, the result of a call. A session that
 * is used with another credential than it was opened with is a leak, and so is an unknown session on one's first visit.
 */
async function startPersonalServer() {
  const owners = new Map<string, string>()
  const leaks: string[] = []
  let opened = 0
  const state = { order: (answer: RawAnswer): Promise<RawAnswer> | RawAnswer => answer }

  const decide = (request: RawRequest): RawAnswer | undefined => {
    const { authorization } = request.headers
    if (authorization === undefined) return { status: 401 }
    const session = request.headers['mcp-session-id']
    if (request.message['method'] === 'initialize') {
      opened += 1
      const answer = wellBehaved(request)
      owners.set(`session-${opened}`, authorization)
      return typeof answer === 'object' ? { ...answer, headers: { 'mcp-session-id': `session-${opened}` } } : answer
    }
    const owner = owners.get(String(session))
    if (owner === undefined) return { status: 404 }
    if (owner !== authorization) leaks.push(`${authorization} came on the session of ${owner}`)
    if (request.message['method'] === 'tools/list') {
      const name = `tool_of_${authorization.replace(/^Bearer /, '')}`
      return { body: resultFor(request, { tools: [{ name, inputSchema: { type: 'object' } }] }) }
    }
    if (request.message['method'] === 'tools/call') {
      return { body: resultFor(request, { content: [{ type: 'text', text: authorization }] }) }
    }
    return undefined
  }
  const server = await startRawMcpServer(async (request) => {
    const answer = decide(request) ?? wellBehaved(request)
    return request.method === 'POST' ? state.order(answer) : answer
  })
  return {
    ...server,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    leaks,
    state,
    restart: () => owners.clear(),
  }
}

/** What one step brought back, as one text: the names of the tools, or the credential that the call arrived with. */
async function perform(gateway: Booted, { name, key, headers }: Person, action: Action): Promise<string> {
  if (action === 'list') {
    const { tools } = await gateway.json('/mcp-rest/tools/list', { key, headers })
    return Array.isArray(tools) ? tools.map((tool) => (isJsonObject(tool) ? tool['name'] : tool)).join() : 'no tools'
  }
  const body = { server_id: 'vault', name: `tool_of_${name}`, arguments: {} }
  return JSON.stringify(await gateway.json('/mcp-rest/tools/call', { key, headers, body }))
}

type Personal = Awaited<ReturnType<typeof startPersonalServer>>

/** Runs the steps with the upstream's answers released in an order that the scheduler chose. */
async function eachSeesOnlyTheirOwn(
  { gateway, server }: { gateway: Booted; server: Personal },
  { people, run, scheduler }: { people: readonly [Person, Person]; run: readonly Step[]; scheduler: Scheduler },
): Promise<void> {
  server.state.order = (answer) => scheduler.schedule(Promise.resolve(answer))
  const running: Promise<void>[] = []
  const perStep = async ({ person, action }: Step) => {
    const who = people[person]
    const seen = await perform(gateway, who, action)
    expect(seen).toContain(action === 'list' ? `tool_of_${who.name}` : `Bearer ${who.name}`)
    expect(seen).not.toContain(people[person === 0 ? 1 : 0].name)
  }
  const all = (async () => {
    for (const step of run) {
      if (step.alone) await Promise.all(running)
      if (step.afterRestart && step.alone) server.restart()
      running.push(perStep(step))
    }
    await Promise.all(running)
  })()
  await scheduler.waitFor(all)
  expect(server.leaks).toEqual([])
}

async function property(arrange: (gateway: Booted, run: number) => Promise<readonly [Person, Person]>): Promise<void> {
  await using server = await startPersonalServer()
  await using gateway = await boot({
    config: {
      mcp_servers: { vault: { url: server.url, auth_type: 'true_passthrough' } },
      general_settings: { mcp_default_access: 'all' },
    },
  })
  let runs = 0
  await assert(
    asyncProperty(steps, schedulers(), async (run, scheduler) => {
      runs += 1
      const people = await arrange(gateway, runs)
      await eachSeesOnlyTheirOwn({ gateway, server }, { people, run, scheduler })
    }),
    { numRuns: 40 },
  )
}

describe('two people with two credentials of their own at one server', () => {
  verifies(
    'identity:two-users-one-key',
    'behind one gateway key never get a session, a list or a result of each other, whatever the interleaving',
    async () => {
      await property(async (gateway, run) => {
        const key = gateway.masterKey
        const person = (name: string) => ({ name, key, headers: { authorization: `Bearer ${name}` } })
        return [person(`ann-${run}-`), person(`bob-${run}-`)]
      })
    },
  )

  verifies(
    'identity:two-users-one-key',
    'with a gateway key each never get a session, a list or a result of each other, whatever the interleaving',
    async () => {
      const keys: string[] = []
      await property(async (gateway, run) => {
        if (keys.length === 0) keys.push(await gateway.makeKey(), await gateway.makeKey())
        const person = (name: string, key: string | undefined) => ({
          name,
          key: key ?? '',
          headers: { 'x-mcp-vault-authorization': `Bearer ${name}` },
        })
        return [person(`ann-${run}-`, keys[0]), person(`bob-${run}-`, keys[1])]
      })
    },
  )

  verifies(
    'identity:two-users-one-key',
    'and one user id behind two keys share that user, and nobody else',
    async () => {
      await using server = await startPersonalServer()
      await using gateway = await boot({
        config: { mcp_servers: { vault: { url: server.url, auth_type: 'true_passthrough', allow_all_keys: true } } },
      })
      const laptop = await gateway.makeKey({ user_id: 'ann' })
      const phone = await gateway.makeKey({ user_id: 'ann' })
      const other = await gateway.makeKey({ user_id: 'bob' })
      const headers = { authorization: 'Bearer ann-' }
      for (const key of [laptop, phone]) {
        expect(await perform(gateway, { name: 'ann-', key, headers }, 'call')).toContain('Bearer ann-')
      }
      const bob = { name: 'bob-', key: other, headers: { authorization: 'Bearer bob-' } }
      expect(await perform(gateway, bob, 'list')).toBe('tool_of_bob-')
      expect(server.leaks).toEqual([])
    },
  )
})
