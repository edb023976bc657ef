import { randomBytes } from 'node:crypto'
import {
  createSealer,
  parseEncryptionKey,
  rotateEncryption,
  type SealingKey,
  sealingKeyIdOf,
  verifySealingKey,
} from '@toolgate/auth'
import { randomId, Secret, systemClock } from '@toolgate/core'
import { type Database, mcpServers, sealedColumns, sealingKeys, userTokens } from '@toolgate/db'
import * as schema from '@toolgate/db'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { describeOnStores, type OpenStore } from '@toolgate/testing/database'
import { type RawMcpServer, startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { eq, getTableColumns, getTableName } from 'drizzle-orm'
import { PgTable } from 'drizzle-orm/pg-core'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'

const newKey = () => parseEncryptionKey(new Secret(randomBytes(32).toString('base64')))
const { signal } = new AbortController()

const run = (database: Database, keys: [SealingKey, ...SealingKey[]], heardAfterMs = 0) => {
  const sealer = createSealer({ keys })
  return rotateEncryption({ database, sealer, clock: systemClock, newId: randomId, batchSize: 2, heardAfterMs, signal })
}
const sums = (columns: Awaited<ReturnType<typeof run>>) => {
  const sum = (of: 'rotated' | 'current' | 'left' | 'damaged') => columns.reduce((all, column) => all + column[of], 0)
  return { rotated: sum('rotated'), current: sum('current'), left: sum('left'), damaged: sum('damaged') }
}
const sealedWith = async ({ db }: Database) => {
  const servers = await db.select({ sealed: mcpServers.sealedSecrets }).from(mcpServers)
  const tokens = await db.select({ sealed: userTokens.sealed }).from(userTokens)
  const sealed = [...servers, ...tokens].flatMap((row) => (row.sealed === null ? [] : [sealingKeyIdOf(row.sealed)]))
  return [...new Set(sealed)]
}

/** A replica with these keys; what it is asked, it does with a credential of a stored server and with one of a user. */
async function replica(database: Database, keys: [SealingKey, ...SealingKey[]]) {
  const sealer = createSealer({ keys })
  await verifySealingKey(database.db, sealer)
  const config = { general_settings: { mcp_allowed_private_networks: ['127.0.0.0/8'] } }
  // The test closes the store, which replicas share where it is embedded.
  const gateway = await boot({ config, database: { ...database, close: async () => {} }, sealer })
  return { gateway, sealer, [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose]() }
}

async function addServers(gateway: Booted, url: string, names: readonly string[]) {
  for (const name of names) {
    const body = { server_name: name, server_id: name, url, transport: 'http', auth_type: 'bearer_token' }
    await gateway.json('/v1/mcp/server', { body: { ...body, credentials: { auth_value: `of-${name}` } }, status: 201 })
  }
  const own = { url, transport: 'http', auth_type: 'oauth2', oauth2_flow: 'authorization_code' }
  await gateway.json('/v1/mcp/server', { body: { server_name: 'own', server_id: 'own', ...own }, status: 201 })
}
const connect = (gateway: Booted, key: string, token: string) =>
  gateway.json('/v1/mcp/server/own/oauth-user-credential', { key, body: { access_token: token, expires_in: 3600 } })
const call = async (gateway: Booted, server: string, key?: string) => {
  const body = { server_id: server, name: 'echo', arguments: {} }
  return (await gateway.request('/mcp-rest/tools/call', { body, ...(key !== undefined && { key }) })).status
}

const stores = (openStore: OpenStore) => {
  let upstream: RawMcpServer
  beforeAll(async () => {
    upstream = await startRawMcpServer()
  })
  afterAll(() => upstream[Symbol.asyncDispose]())
  const presentedLast = () => upstream.received('tools/call').at(-1)?.headers.authorization

  verifies(
    'encryption:rotates',
    'waits until gateways have heard, also where an earlier run was ended meanwhile',
    async () => {
      const { database } = await openStore()
      const [former, next] = [newKey(), newKey()]
      await verifySealingKey(database.db, createSealer({ keys: [former] }))
      const clock = fakeClock()
      const rotate = (ending: AbortController) => {
        const sealer = createSealer({ keys: [next, former] })
        const options = { database, sealer, clock, newId: randomId, heardAfterMs: 60_000, signal: ending.signal }
        return rotateEncryption(options).then(() => 'done')
      }
      const listed = async () => (await database.db.select().from(sealingKeys)).map(({ keyId }) => keyId)
      const ending = new AbortController()
      const ended = rotate(ending)
      await vi.waitFor(() => expect(clock.pending).toBeGreaterThan(0), 10_000)
      expect(await listed()).toHaveLength(2)
      ending.abort()
      await expect(ended).rejects.toThrow('aborted')

      const again = rotate(new AbortController())
      await vi.waitFor(() => expect(clock.pending).toBeGreaterThan(0), 10_000)
      expect(await listed()).toHaveLength(2)
      clock.advance(60_000)
      expect(await again).toBe('done')
      expect(await listed()).toEqual([next.id])
    },
  )

  verifies('encryption:rotates', 'two replicas serve and write on while everything is sealed anew', async () => {
    const { database, openAgain } = await openStore()
    const [former, next] = [newKey(), newKey()]
    {
      await using before = await replica(database, [former])
      await addServers(before.gateway, upstream.url, ['one', 'two', 'three', 'four', 'five'])
    }
    await using first = await replica(database, [next, former])
    await using second = await replica(await openAgain(), [next, former])
    const replicas = [first, second]
    const keys = await Promise.all(
      ['ada', 'bob', 'cleo'].map((user) =>
        first.gateway.makeKey({ user_id: user, object_permission: { mcp_servers: ['own'] } }),
      ),
    )
    await Promise.all(keys.map((key, index) => connect(first.gateway, key, `token-${index}`)))
    // A new key beside the former one changes nothing until it is rotated: replicas may be restarted one by one.
    expect(replicas.map(({ sealer }) => sealer.keyId)).toEqual([former.id, former.id])
    expect(await sealedWith(database)).toEqual([former.id])

    const ending = new AbortController()
    const statuses = new Set<number>()
    const traffic = async () => {
      for (let round = 0; !ending.signal.aborted; round += 1) {
        const { gateway } = replicas[round % 2] ?? first
        statuses.add(await call(gateway, ['one', 'two', 'three'][round % 3] ?? 'one'))
        statuses.add(await call(gateway, 'own', keys[round % 3]))
        await connect(gateway, keys[0] ?? '', `token-again-${round}`)
      }
    }
    const served = traffic()
    await run(database, [next, former])
    await vi.waitFor(() => expect(replicas.map(({ sealer }) => sealer.keyId)).toEqual([next.id, next.id]), 10_000)
    ending.abort()
    await served
    // Whatever was sealed before the replicas had heard.
    const columns = await run(database, [next, former])
    expect(sums(columns)).toMatchObject({ current: 8, left: 0, damaged: 0 })
    expect([...statuses]).toEqual([200])
    expect(await sealedWith(database)).toEqual([next.id])

    await using after = await replica(database, [next])
    expect(await call(after.gateway, 'four')).toBe(200)
    expect(presentedLast()).toBe('Bearer of-four')
    expect(await call(after.gateway, 'own', keys[1])).toBe(200)
    expect(presentedLast()).toBe('Bearer token-1')
    await expect(verifySealingKey(database.db, createSealer({ keys: [former] }))).rejects.toThrow(
      /another encryption key/,
    )
  })

  verifies(
    'encryption:rotates',
    'what was ended half-way is gone on with, and until then no key can be left out',
    async () => {
      const { database } = await openStore()
      const [former, next] = [newKey(), newKey()]
      {
        await using before = await replica(database, [former])
        await addServers(before.gateway, upstream.url, ['one', 'two', 'three', 'four', 'five'])
      }
      const ending = new AbortController()
      const sealer = createSealer({ keys: [next, former] })
      let sealed = 0
      const stopped = rotateEncryption({
        database,
        sealer: {
          ...sealer,
          get keyId() {
            return sealer.keyId
          },
          async sealAnew(value) {
            if (++sealed === 2) ending.abort(new Error('ended'))
            return sealer.sealAnew(value)
          },
        },
        clock: systemClock,
        newId: randomId,
        batchSize: 2,
        heardAfterMs: 0,
        signal: ending.signal,
      })
      await expect(stopped).rejects.toThrow('ended')
      await expect(replica(database, [next])).rejects.toThrow(/former encryption key.*TOOLGATE_ENCRYPTION_KEY_PREVIOUS/)
      await expect(run(database, [next])).rejects.toMatchObject({ code: 'CONFIGURATION_INVALID' })
      {
        await using half = await replica(database, [next, former])
        for (const name of ['one', 'two', 'three', 'four', 'five']) expect(await call(half.gateway, name)).toBe(200)
      }
      // Two of them at once change nothing.
      const both = await Promise.all([run(database, [next, former]), run(database, [next, former])])
      for (const columns of both) expect(sums(columns)).toMatchObject({ current: 5, left: 0 })
      await using after = await replica(database, [next])
      expect(await call(after.gateway, 'five')).toBe(200)
    },
  )

  verifies('encryption:rotates', 'what no key opens is counted and named, and left as it is', async () => {
    const { database } = await openStore()
    const [former, next, unknown] = [newKey(), newKey(), newKey()]
    {
      await using before = await replica(database, [former])
      await addServers(before.gateway, upstream.url, ['one', 'two', 'three'])
    }
    const strange = await createSealer({ keys: [unknown] }).seal(new Secret('{}'), 'mcp_servers:two')
    await database.db.update(mcpServers).set({ sealedSecrets: strange }).where(eq(mcpServers.id, 'two'))
    await database.db.update(mcpServers).set({ sealedSecrets: 'never sealed' }).where(eq(mcpServers.id, 'three'))
    const columns = await run(database, [next, former])
    expect(columns[0]).toMatchObject({ rotated: 1, current: 1, left: 1, damaged: 1 })
    expect(columns[0]?.examples.toSorted()).toEqual(['three', 'two'])
    // Something may still need it.
    expect(await database.db.select().from(sealingKeys)).toHaveLength(2)
    expect(sums(await run(database, [next, former, unknown]))).toMatchObject({ rotated: 1, left: 0, damaged: 1 })
    expect(await database.db.select().from(sealingKeys)).toHaveLength(1)
  })
}
describeOnStores('another encryption key', stores)

describe('what is sealed anew', () => {
  it('is every column that is sealed', () => {
    const tables = Object.values(schema).filter((value) => value instanceof PgTable)
    const sealed = tables.flatMap((table) =>
      Object.values(getTableColumns(table)).flatMap(({ name }) =>
        name.startsWith('sealed') ? [`${getTableName(table)}.${name}`] : [],
      ),
    )
    expect(sealed.toSorted()).toEqual(sealedColumns.map(({ table, column }) => `${table}.${column}`).toSorted())
  })
})
