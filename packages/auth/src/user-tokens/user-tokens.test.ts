import { GatewayError, randomId, Secret, silentLogger, systemClock } from '@toolgate/core'
import { type Database, userTokens } from '@toolgate/db'
import { callerOf, principalOf } from '@toolgate/testing/callers'
import { describeOnStores } from '@toolgate/testing/database'
import { serverDefinition } from '@toolgate/testing/server-definition'
import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { createSealer, deriveSealingKey } from '../tokens/sealing.ts'
import type { ReceivedTokens, UpstreamClient, UserTokenClient } from './upstream-client.ts'
import { createUserTokenMemory } from './user-token-memory.ts'
import { createPostgresUserTokenStore } from './user-token-store.postgres.ts'
import type { UserTokenStore } from './user-token-store.ts'
import { createUserTokens } from './user-tokens.ts'

const client: UserTokenClient = {
  clientId: 'toolgate',
  clientSecret: undefined,
  issuer: undefined,
  authorizationUrl: undefined,
  tokenUrl: undefined,
  scopes: [],
  resource: undefined,
  ownCallback: false,
}
const party = {
  issuer: 'https://issuer.test',
  metadata: {
    issuer: 'https://issuer.test',
    authorization_endpoint: 'https://issuer.test/authorize',
    token_endpoint: 'https://issuer.test/token',
    response_types_supported: ['code'],
  },
  client: { client_id: 'toolgate' },
  resource: undefined,
}
const sealer = createSealer({ keys: [deriveSealingKey(new Secret('the encryption key of this test'))] })
const server = serverDefinition({ id: 'repo' })
const { signal } = new AbortController()

describeOnStores('tokens of users, at two gateways', (openStore) => {
  let databases: readonly Database[]
  let passedMs = 0
  const clock = {
    ...systemClock,
    now: () => systemClock.now() + passedMs,
    monotonic: () => systemClock.monotonic() + passedMs,
  }
  /** Owners whose tokens a store was asked for. */
  const reads: string[] = []
  const revoked: string[] = []
  const behind = new AsyncDisposableStack()
  afterAll(() => behind.disposeAsync())
  beforeAll(async () => {
    const opened = await openStore()
    databases = [opened.database, await opened.openAgain()]
  })

  /** Two gateways on one store; `refresh` is their authorization server. */
  const gateways = (
    refresh: (token: string) => Promise<ReceivedTokens | undefined>,
    troubled: (store: UserTokenStore) => Partial<UserTokenStore> = () => ({}),
  ) => {
    const never = () => Promise.reject(new Error('not asked'))
    const upstream: UpstreamClient = {
      start: never,
      finish: never,
      async revoke(token) {
        revoked.push(token.reveal())
        return true
      },
      partyOf: async () => party,
      refresh: (token) => refresh(token.reveal()),
    }
    const shared = { upstream, sealer, clock, newId: randomId, log: silentLogger, expiryBufferMs: 60_000 }
    return Promise.all(
      databases.map(async (database) => {
        const kept = createPostgresUserTokenStore(database, randomId)
        const store: UserTokenStore = {
          ...kept,
          find(holder) {
            reads.push(holder.owner)
            return kept.find(holder)
          },
          ...troubled(kept),
        }
        const { changedSince } = store
        const memory = createUserTokenMemory({ changedSince, feed: database, clock, log: silentLogger })
        await memory.start()
        behind.defer(() => memory.close())
        return { ...createUserTokens({ ...shared, memory, store }).of(client), end: () => memory.close() }
      }),
    )
  }
  const given = (access: string, lifetimeMs: number) => ({
    access: new Secret(access),
    refresh: new Secret(`${access}-refresh`),
    lifetimeMs,
    scopes: [],
  })
  const received = (access: string): ReceivedTokens => ({ ...given(access, 3_600_000), scopes: undefined })
  const presented = async (of: Awaited<ReturnType<typeof gateways>>[number], owner: string, at = server) => {
    const caller = callerOf({ principal: principalOf({ id: owner }) })
    const credential = await of.present({ server: at, caller, signal })
    return credential?.headers.get('authorization')?.reveal()
  }

  it('are refreshed by one of them, whoever asks and however often', async () => {
    const used: string[] = []
    const [first, second] = await gateways(async (token) => {
      used.push(token)
      await new Promise((resolve) => setTimeout(resolve, 50))
      return received('new')
    })
    if (first === undefined || second === undefined) throw new Error('no gateways')
    await first.keep({ server, owner: 'ada', signal }, given('old', 0))
    const answers = await Promise.all([first, second, first, second].map((of) => presented(of, 'ada')))
    expect(answers).toEqual(answers.map(() => 'Bearer new'))
    expect(used).toEqual(['old-refresh'])
  })

  it('are what was got last, where somebody signed in again meanwhile', async () => {
    const [first, second] = await gateways(async () => {
      await second?.keep({ server, owner: 'bob', signal }, given('signed-in-again', 3_600_000))
      return received('late')
    })
    if (first === undefined || second === undefined) throw new Error('no gateways')
    await first.keep({ server, owner: 'bob', signal }, given('old', 0))
    expect(await presented(first, 'bob')).toBe('Bearer signed-in-again')
    expect(await presented(second, 'bob')).toBe('Bearer signed-in-again')
    expect(await presented(first, 'bob')).toBe('Bearer signed-in-again')
  })

  it('are what was got last, where the former ones turn out to be refused', async () => {
    const [first, second] = await gateways(async () => {
      await second?.keep({ server, owner: 'fay', signal }, given('signed-in-again', 3_600_000))
      return undefined
    })
    if (first === undefined || second === undefined) throw new Error('no gateways')
    await first.keep({ server, owner: 'fay', signal }, given('old', 0))
    expect(await presented(first, 'fay')).toBe('Bearer signed-in-again')
    expect(await first.status(server, 'fay')).toMatchObject({ needsSignIn: false })
  })

  it('are read once for any number of calls, and what is done elsewhere is heard', async () => {
    const [first, second] = await gateways(async () => undefined)
    if (first === undefined || second === undefined) throw new Error('no gateways')
    await second.keep({ server, owner: 'gil', signal }, given('one', 3_600_000))
    expect(await presented(first, 'gil')).toBe('Bearer one')
    reads.length = 0
    for (let seconds = 0; seconds < 50; seconds += 1) {
      passedMs += 1_000
      expect(await presented(first, 'gil')).toBe('Bearer one')
    }
    // Twice where the announcement came after the first call.
    expect(reads.length).toBeLessThan(3)
    await second.keep({ server, owner: 'gil', signal }, given('two', 3_600_000))
    await vi.waitFor(async () => expect(await presented(first, 'gil')).toBe('Bearer two'), 5_000)
    await second.remove(server, 'gil')
    await vi.waitFor(async () => expect(await presented(first, 'gil')).toBeUndefined(), 5_000)
  })

  it('are one question to the store for a list of servers', async () => {
    const [first] = await gateways(async () => undefined)
    if (first === undefined) throw new Error('no gateway')
    const servers = Array.from({ length: 20 }, (_, index) => serverDefinition({ id: `repo-${index}` }))
    for (const one of servers.slice(0, 3)) await first.keep({ server: one, owner: 'hal', signal }, given('x', 60_000))
    reads.length = 0
    const statuses = await Promise.all(servers.map((one) => first.status(one, 'hal')))
    expect(statuses.map((status) => status !== undefined)).toEqual(servers.map((_, index) => index < 3))
    expect(reads).toEqual([])
    expect(await first.status(server, 'hal')).toBeUndefined()
    expect(reads).toEqual(['hal'])
  })

  it('go on while they are good where no new ones are to be had, and can be had later', async () => {
    let away = true
    let asked = 0
    const [first] = await gateways(async () => {
      asked += 1
      if (away) throw new Error('away')
      return received('new')
    })
    if (first === undefined) throw new Error('no gateway')
    await first.keep({ server, owner: 'cleo', signal }, given('old', 120_000))
    passedMs += 95_000
    expect(await presented(first, 'cleo')).toBe('Bearer old')
    await vi.waitFor(() => expect(asked).toBe(1))
    expect(await presented(first, 'cleo')).toBe('Bearer old')
    away = false
    passedMs += 15_000
    await vi.waitFor(async () => expect(await presented(first, 'cleo')).toBe('Bearer new'))
    expect(asked).toBe(2)
  })

  it('that are refused for good are none, until somebody signs in', async () => {
    const [first] = await gateways(async () => undefined)
    if (first === undefined) throw new Error('no gateway')
    await first.keep({ server, owner: 'dan', signal }, given('old', 0))
    expect(await presented(first, 'dan')).toBeUndefined()
    expect(await first.status(server, 'dan')).toMatchObject({ needsSignIn: true })
    await first.keep({ server, owner: 'dan', signal }, given('again', 3_600_000))
    expect(await presented(first, 'dan')).toBe('Bearer again')
  })

  it('are not lost where the store is away when they come', async () => {
    let failures = 0
    const [first, second] = await gateways(
      async () => received('new'),
      ({ settle }) => ({
        settle: (row, outcome) => {
          failures += 1
          if (failures > 1) return settle(row, outcome)
          return Promise.reject(new GatewayError('STORE_UNAVAILABLE', 'away'))
        },
      }),
    )
    if (first === undefined || second === undefined) throw new Error('no gateways')
    await first.keep({ server, owner: 'ivy', signal }, given('old', 0))
    expect(await presented(first, 'ivy')).toBe('Bearer new')
    expect(await presented(second, 'ivy')).toBe('Bearer new')
  })

  it('are kept where the gateway ends that asked for them', async () => {
    const { promise: answer, resolve } = Promise.withResolvers<ReceivedTokens>()
    const [first, second] = await gateways(() => answer)
    if (first === undefined || second === undefined) throw new Error('no gateways')
    await first.keep({ server, owner: 'kim', signal }, given('old', 120_000))
    passedMs += 95_000
    expect(await presented(first, 'kim')).toBe('Bearer old')
    const ended = first.end()
    resolve(received('new'))
    await ended
    expect(await presented(second, 'kim')).toBe('Bearer new')
  })

  it('of another server than it is are none, and are there again when it is that one again', async () => {
    const before = serverDefinition({ id: 'repo', address: 'https://before.test/mcp' })
    const [first, second] = await gateways(async () => undefined)
    if (first === undefined || second === undefined) throw new Error('no gateways')
    await first.keep({ server: before, owner: 'jan', signal }, given('former', 3_600_000))
    expect(await presented(second, 'jan')).toBeUndefined()
    expect(await presented(first, 'jan')).toBeUndefined()
    expect(await presented(first, 'jan', before)).toBe('Bearer former')
    expect(await presented(second, 'jan', before)).toBe('Bearer former')
  })

  it('are no orphans any more once they are used', async () => {
    const [first] = await gateways(async () => received('new'))
    const [database] = databases
    if (first === undefined || database === undefined) throw new Error('no gateway')
    await first.keep({ server, owner: 'lou', signal }, given('old', 0))
    const isOfLou = eq(userTokens.owner, 'lou')
    await database.db.update(userTokens).set({ orphanedAt: new Date() }).where(isOfLou)
    expect(await presented(first, 'lou')).toBe('Bearer new')
    expect(await database.db.select().from(userTokens).where(isOfLou)).toMatchObject([{ orphanedAt: null }])
  })

  it('are ended at their server as they were when they were taken back', async () => {
    const [first, second] = await gateways(
      async () => undefined,
      (kept) => ({
        async remove(holder) {
          if (holder.owner === 'mia') await second?.keep({ server, owner: 'mia', signal }, given('now', 3_600_000))
          return kept.remove(holder)
        },
      }),
    )
    if (first === undefined || second === undefined) throw new Error('no gateways')
    await first.keep({ server, owner: 'mia', signal }, given('former', 3_600_000))
    revoked.length = 0
    expect(await first.remove(server, 'mia')).toBe(true)
    await vi.waitFor(() => expect(revoked).toEqual(['now-refresh']))
  })

  it('are sealed, each for its holder', async () => {
    const [first] = await gateways(async () => undefined)
    const [database] = databases
    if (first === undefined || database === undefined) throw new Error('no gateway')
    await first.keep({ server, owner: 'eve', signal }, given('secret-of-eve', 3_600_000))
    await first.keep({ server, owner: 'fay', signal }, given('secret-of-fay', 3_600_000))
    const rows = await database.db.select().from(userTokens)
    expect(JSON.stringify(rows)).not.toContain('secret-of')
    const [stolen] = rows.filter(({ owner }) => owner === 'eve')
    await database.db
      .update(userTokens)
      .set({ sealed: stolen?.sealed ?? '' })
      .where(eq(userTokens.owner, 'fay'))
    const [other] = await gateways(async () => undefined)
    if (other === undefined) throw new Error('no gateway')
    await expect(presented(other, 'fay')).rejects.toMatchObject({ code: 'INTERNAL' })
  })
})
