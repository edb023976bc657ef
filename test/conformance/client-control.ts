import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { isJsonObject } from '@toolgate/core'
import { serveOnLoopback } from '@toolgate/testing/loopback'
import { boot } from '../boot.ts'
import { clientScenarios } from './client-scenarios.ts'

export interface ClientControl extends AsyncDisposable {
  /** What `client-driver.ts` asks to play a scenario. */
  readonly url: string
  /** Why scenarios ended early, for whoever reads a failed test. Some of them are meant to. */
  readonly notes: readonly string[]
}

/** Plays the scenarios of a client suite: each through a gateway of its own, whose one upstream is the suite's server. */
export async function startClientControl(era: 'legacy' | 'modern'): Promise<ClientControl> {
  const notes: string[] = []
  const { origin, ...server } = await serveOnLoopback(async (request) => {
    const asked: unknown = await request.json()
    if (!isJsonObject(asked)) return new Response('nothing asked', { status: 400 })
    const { scenario, url, context } = asked
    if (typeof scenario !== 'string' || typeof url !== 'string') return new Response('too little', { status: 400 })
    const steps = clientScenarios[scenario]
    if (steps === undefined) return new Response('not about the protocol', { status: 501 })
    try {
      await using gateway = await gatewayTo(url)
      await using client = await clientOf(gateway, era)
      await steps(client.client, isJsonObject(context) ? context : {})
      return new Response('played')
    } catch (error) {
      notes.push(`${scenario}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
      return new Response(notes.at(-1), { status: 500 })
    }
  })
  return { ...server, url: origin, notes }
}

function gatewayTo(url: string) {
  const judge = { url, isolation: 'session', allow_sampling: true, allow_elicitation: true }
  return boot({ config: { mcp_servers: { judge } } })
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
