import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { isJsonObject, type JsonObject } from '@toolgate/core'
import type { Database } from '@toolgate/db'
import { openTestDatabase } from '@toolgate/testing/database'
import { serveOnLoopback } from '@toolgate/testing/loopback'
import { boot } from '../boot.ts'
import { clientScenarios } from './client-scenarios.ts'
import { playSignIn } from './client-sign-in.ts'

export interface ClientControl extends AsyncDisposable {
  /** What `client-driver.ts` asks to play a scenario. */
  readonly url: string
  /** Why scenarios ended early, for whoever reads a failed test. Some of them are meant to. */
  readonly notes: readonly string[]
}

/** Plays the scenarios of a client suite: each through a gateway of its own, whose one upstream is the suite's server. */
export async function startClientControl(era: 'legacy' | 'modern'): Promise<ClientControl> {
  const notes: string[] = []
  const behind = new AsyncDisposableStack()
  const inTurn = await createLanes(behind)
  const { origin, ...server } = await serveOnLoopback(async (request) => {
    const asked: unknown = await request.json()
    if (!isJsonObject(asked)) return new Response('nothing asked', { status: 400 })
    const { scenario, url, context } = asked
    if (typeof scenario !== 'string' || typeof url !== 'string') return new Response('too little', { status: 400 })
    const known = isJsonObject(context) ? context : {}
    const steps = clientScenarios[scenario]
    if (steps === undefined && !scenario.startsWith('auth/')) return new Response('not known', { status: 501 })
    try {
      await inTurn((database) =>
        steps === undefined
          ? playSignIn(url, { scenario, context: known, database })
          : play(steps, { url, era, context: known, database }),
      )
      return new Response('played')
    } catch (error) {
      notes.push(`${scenario}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
      return new Response(notes.at(-1), { status: 500 })
    }
  })
  behind.use(server)
  return { url: origin, notes, [Symbol.asyncDispose]: () => behind.disposeAsync() }
}

/** A suite starts all of its scenarios at once; making a database for each would take longer than they have. */
const scenariosAtOnce = 3

type Lane = <Result>(work: (database: Database) => Promise<Result>) => Promise<Result>

async function createLanes(behind: AsyncDisposableStack): Promise<Lane> {
  const lanes = await Promise.all(
    Array.from({ length: scenariosAtOnce }, async () => {
      const database = await openTestDatabase()
      behind.defer(() => database.close())
      const last: Promise<unknown> = Promise.resolve()
      // The gateways of a lane come one after the other, and each closes what it is given.
      return { database: { ...database, close: async () => {} }, last }
    }),
  )
  let turn = 0
  return (work) => {
    const lane = lanes[turn++ % lanes.length]
    if (lane === undefined) throw new Error('no lane')
    const next = lane.last.then(() => work(lane.database))
    lane.last = next.catch(() => {})
    return next
  }
}

interface Scenario {
  readonly url: string
  readonly era: 'legacy' | 'modern'
  readonly context: JsonObject
  readonly database: Database
}

async function play(steps: (typeof clientScenarios)[string], { url, era, context, database }: Scenario): Promise<void> {
  await using gateway = await gatewayTo(url, database)
  await using client = await clientOf(gateway, era)
  await steps(client.client, context)
}

function gatewayTo(url: string, database: Database) {
  const judge = { url, isolation: 'session', allow_sampling: true, allow_elicitation: true }
  return boot({ config: { mcp_servers: { judge } }, database })
}

async function clientOf(gateway: Awaited<ReturnType<typeof gatewayTo>>, era: 'legacy' | 'modern') {
  const client = new Client(
    { name: 'scenario', version: '1' },
    {
      capabilities: { elicitation: { form: { applyDefaults: true } }, sampling: {}, roots: {} },
      versionNegotiation: { mode: era === 'legacy' ? 'legacy' : 'auto' },
    },
  )
  client.setRequestHandler('elicitation/create', () => ({ action: 'accept', content: {} }))
  client.setRequestHandler('roots/list', () => ({ roots: [] }))
  const transport = new StreamableHTTPClientTransport(new URL('http://gateway.test/judge/mcp'), {
    fetch: (input, init) => gateway.fetch(input, init),
    requestInit: { headers: { 'x-litellm-api-key': gateway.masterKey } },
  })
  await client.connect(transport)
  return { client, [Symbol.asyncDispose]: () => client.close() }
}
