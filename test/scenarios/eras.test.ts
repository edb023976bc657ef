import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'
import { type EraClient, type EraClientName, eraClients } from './eras/clients.ts'
import { drive, type Feature, features, heard, type Seen } from './eras/features.ts'
import { clientNames, lossOf, serverNames, writtenMatrix } from './eras/matrix.ts'
import { type EraServerName, handleOf, startEraServers } from './eras/servers.ts'

/** Milliseconds in which what is kept is heard, and in which what is lost would have been. */
const keptMs = 10_000
const lostMs = 700

const behind = new AsyncDisposableStack()
let gateway: Booted
let servers: Awaited<ReturnType<typeof startEraServers>>['servers']
beforeAll(async () => {
  ;({ servers } = behind.use(await startEraServers()))
  gateway = behind.use(await boot({ config: { mcp_servers: settingsOf() } }))
}, 60_000)
afterAll(() => behind.disposeAsync())

const settingsOf = (more: (name: EraServerName) => object = () => ({})) =>
  Object.fromEntries(serverNames.map((name) => [handleOf(name), { ...servers[name].settings, ...more(name) }]))

const connect = (client: EraClientName, server: EraServerName, asked: boolean): Promise<EraClient> =>
  eraClients[client]({ gateway, path: `/mcp/${handleOf(server)}`, asked })

/** Where a loss shows as it should, its reason; what is seen otherwise stands as it is. */
function told(client: EraClientName, server: EraServerName, seen: Partial<Record<Feature, Seen>>) {
  const judge = ([feature, one]: readonly [Feature, Seen | undefined]) => {
    const loss = lossOf({ client, server, feature })
    return [feature, loss !== undefined && one !== undefined && loss.shows.test(one) ? loss.reason : one] as const
  }
  return Object.fromEntries(features.map((feature) => judge([feature, seen[feature]])))
}

const stated = (client: EraClientName, server: EraServerName, of: readonly Feature[]) =>
  Object.fromEntries(
    features.map((feature) => [
      feature,
      of.includes(feature) ? (lossOf({ client, server, feature })?.reason ?? 'kept') : undefined,
    ]),
  )

describe('what gets from each kind of server to each kind of client', () => {
  for (const client of clientNames) {
    verifies('mcp:eras', `is what the matrix says: ${client}`, async () => {
      const seen = serverNames.map(async (server) => {
        await using quiet = await connect(client, server, false)
        await using asked = await connect(client, server, true)
        const patienceMs = (feature: Feature) => (lossOf({ client, server, feature }) === undefined ? keptMs : lostMs)
        const row = await drive((feature) => ({
          quiet,
          asked,
          server: servers[server],
          patienceMs: patienceMs(feature),
        }))
        return [server, told(client, server, row)] as const
      })
      const driven = features.filter((feature) => feature !== 'list_changed')
      const expected = serverNames.map((server) => [server, stated(client, server, driven)])
      expect(Object.fromEntries(await Promise.all(seen))).toEqual(Object.fromEntries(expected))
    })
  }

  verifies('mcp:eras', 'is news of a changed list, wherever the change comes from', async () => {
    await using stack = new AsyncDisposableStack()
    const pairs = clientNames.flatMap((client) => serverNames.map((server) => ({ client, server })))
    const listeners = await Promise.all(
      pairs.map(async (pair) => {
        const connected = stack.use(await connect(pair.client, pair.server, false))
        await connected.listenToTools()
        expect(await connected.tools()).toContain(servers[pair.server].withheld)
        return { ...pair, connected, before: connected.heard.tools }
      }),
    )
    await gateway.reload({ mcp_servers: settingsOf((name) => ({ disallowed_tools: [servers[name].withheld] })) })
    const seen = listeners.map(async ({ client, server, connected, before }) => {
      const list_changed = await heard(() => connected.heard.tools > before, keptMs)
      expect(await connected.tools()).not.toContain(servers[server].withheld)
      return [`${client}, ${server}`, told(client, server, { list_changed })]
    })
    const expected = pairs.map(({ client, server }) => [
      `${client}, ${server}`,
      stated(client, server, ['list_changed']),
    ])
    expect(Object.fromEntries(await Promise.all(seen))).toEqual(Object.fromEntries(expected))
  })

  it('is what the documentation says', () => {
    const documentation = readFileSync(new URL('../../docs/eras.md', import.meta.url), 'utf8')
    expect(documentation).toContain(writtenMatrix())
  })
})
