import { randomId, Secret, systemClock } from '@toolgate/core'
import { type Database, userTokens } from '@toolgate/db'
import { callerOf, principalOf } from '@toolgate/testing/callers'
import { describeOnStores } from '@toolgate/testing/database'
import { serverDefinition } from '@toolgate/testing/server-definition'
import { eq } from 'drizzle-orm'
import { beforeAll, expect, it } from 'vitest'
import { createSealer, deriveSealingKey } from '../tokens/sealing.ts'
import type { ReceivedTokens, UpstreamClient, UserTokenClient } from './upstream-client.ts'
import { createPostgresUserTokenStore } from './user-token-store.postgres.ts'
import { createUserTokens } from './user-tokens.ts'

const client: UserTokenClient = {
  clientId: 'toolgate',
  clientSecret: undefined,
  issuer: undefined,
  authorizationUrl: undefined,
  tokenUrl: undefined,
  scopes: [],
  resource: undefined,
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
  beforeAll(async () => {
    const opened = await openStore()
    databases = [opened.database, await opened.openAgain()]
  })

  /** Two gateways on one store; `refresh` is their authorization server. */
  const gateways = (refresh: (token: string) => Promise<ReceivedTokens | undefined>) => {
    const never = () => Promise.reject(new Error('not asked'))
    const upstream: UpstreamClient = {
      start: never,
      finish: never,
      partyOf: async () => party,
      refresh: (token) => refresh(token.reveal()),
    }
    const shared = { upstream, sealer, clock: systemClock, newId: randomId, expiryBufferMs: 60_000 }
    return databases.map((database) =>
      createUserTokens({ ...shared, store: createPostgresUserTokenStore(database) }).of(client),
    )
  }
  const given = (access: string, lifetimeMs: number) => ({
    access: new Secret(access),
    refresh: new Secret(`${access}-refresh`),
    lifetimeMs,
    scopes: [],
  })
  const received = (access: string): ReceivedTokens => ({ ...given(access, 3_600_000), scopes: undefined })
  const presented = async (of: ReturnType<typeof gateways>[number], owner: string) => {
    const caller = callerOf({ principal: principalOf({ id: owner }) })
    const credential = await of.present({ server, caller, signal })
    return credential?.headers.get('authorization')?.reveal()
  }

  it('are refreshed by one of them, whoever asks and however often', async () => {
    const used: string[] = []
    const [first, second] = gateways(async (token) => {
      used.push(token)
      await new Promise((resolve) => setTimeout(resolve, 50))
      return received('new')
    })
    if (first === undefined || second === undefined) throw new Error('no gateways')
    await first.keep({ server, owner: 'ada', signal }, given('old', 1_000))
    const answers = await Promise.all([first, second, first, second].map((of) => presented(of, 'ada')))
    expect(answers).toEqual(answers.map(() => 'Bearer new'))
    expect(used).toEqual(['old-refresh'])
  })

  it('are what was got last, where somebody signed in again meanwhile', async () => {
    const [first, second] = gateways(async () => {
      await second?.keep({ server, owner: 'bob', signal }, given('signed-in-again', 3_600_000))
      return received('late')
    })
    if (first === undefined || second === undefined) throw new Error('no gateways')
    await first.keep({ server, owner: 'bob', signal }, given('old', 1_000))
    await presented(first, 'bob')
    expect(await presented(second, 'bob')).toBe('Bearer signed-in-again')
    expect(await presented(first, 'bob')).toBe('Bearer signed-in-again')
  })

  it('go on while they are good where no new ones are to be had, and can be had later', async () => {
    let away = true
    const [first] = gateways(async () => {
      if (away) throw new Error('away')
      return received('new')
    })
    if (first === undefined) throw new Error('no gateway')
    await first.keep({ server, owner: 'cleo', signal }, given('old', 30_000))
    expect(await presented(first, 'cleo')).toBe('Bearer old')
    away = false
    expect(await presented(first, 'cleo')).toBe('Bearer new')
  })

  it('that are refused for good are none, until somebody signs in', async () => {
    const [first] = gateways(async () => undefined)
    if (first === undefined) throw new Error('no gateway')
    await first.keep({ server, owner: 'dan', signal }, given('old', 1_000))
    expect(await presented(first, 'dan')).toBeUndefined()
    expect(await first.status(server, 'dan')).toMatchObject({ needsSignIn: true })
    await first.keep({ server, owner: 'dan', signal }, given('again', 3_600_000))
    expect(await presented(first, 'dan')).toBe('Bearer again')
  })

  it('are sealed, each for its holder', async () => {
    const [first] = gateways(async () => undefined)
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
    const [other] = gateways(async () => undefined)
    if (other === undefined) throw new Error('no gateway')
    await expect(presented(other, 'fay')).rejects.toMatchObject({ code: 'INTERNAL' })
  })
})
