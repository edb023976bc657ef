import { createHash } from 'node:crypto'
import { type JsonObject, randomId, Secret, silentLogger } from '@toolgate/core'
import { type Database, managementEvents, oauthAccessTokens, oauthCodes, oauthGrants } from '@toolgate/db'
import { describeOnStores } from '@toolgate/testing/database'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { eq } from 'drizzle-orm'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { createAccessTokens } from './access-tokens.ts'
import { createPostgresClientStore } from './client-store.postgres.ts'
import type { OauthClient } from './clients.ts'
import { createPostgresGrantStore } from './grant-store.postgres.ts'
import { lifetimes } from './lifetimes.ts'
import { createTokenIssuer } from './token-issuer.ts'
import { hashToken } from './tokens.ts'

const verifier = 'v'.repeat(43)
const codeChallenge = createHash('sha256').update(verifier).digest('base64url')
const redirectUri = 'http://127.0.0.1/callback'
const signal = new AbortController().signal
const client: OauthClient = {
  id: 'client_0a',
  name: 'Test',
  redirectUris: [redirectUri],
  refreshable: true,
  host: undefined,
  proof: { method: 'none' },
}

describeOnStores('grants to MCP clients', (openStore) => {
  const clock = fakeClock(Date.UTC(2026, 0, 1))
  let database: Database
  let elsewhere: Database
  beforeAll(async () => {
    const opened = await openStore()
    database = opened.database
    elsewhere = await opened.openAgain()
  })

  const bounds = { grantsPerKey: 3, accessTokensPerGrant: 2, codesPerKey: 2 }
  const storeOn = (on: Database) => createPostgresGrantStore({ database: on, newId: randomId, bounds })
  const issuerOn = (on: Database) => {
    const clients = createPostgresClientStore({ database: on })
    return createTokenIssuer({ store: storeOn(on), clients, clock })
  }
  const newCode = async (keyHash: string) => {
    const request = { client, redirectUri, state: undefined, codeChallenge, audience: '/mcp' }
    return (await issuerOn(database).newCode(request, { keyHash, person: null })).reveal()
  }
  const exchange = (form: Record<string, string>, { by = client, on = database } = {}) =>
    issuerOn(on).exchange(new URLSearchParams(form), by, (resource) => resource)
  const formOf = (code: string, more: Record<string, string> = {}) => ({
    grant_type: 'authorization_code',
    code,
    redirect_uri: redirectUri,
    code_verifier: verifier,
    ...more,
  })
  const refresh = (token: string, options: { by?: OauthClient; on?: Database } = {}) =>
    exchange({ grant_type: 'refresh_token', refresh_token: token }, options)
  const textIn = (answer: JsonObject, name: string) => {
    const value = answer[name]
    if (typeof value !== 'string') throw new Error(`no ${name}`)
    return value
  }
  const found = (token: string, on = database) =>
    storeOn(on).findAccessToken(hashToken(new Secret(token)), new Date(clock.now()))
  const refused = { details: { error: 'invalid_grant' } }

  it('gives for a code an access token and a refresh token, and keeps neither', async () => {
    const code = await newCode('key-a')
    const answer = await exchange(formOf(code))
    expect(answer).toMatchObject({ token_type: 'Bearer', expires_in: 3600, scope: 'mcp' })
    expect(await found(textIn(answer, 'access_token'), elsewhere)).toMatchObject({
      grant: { clientId: client.id, keyHash: 'key-a', audience: '/mcp' },
    })
    const rows = [
      await database.db.select().from(oauthGrants),
      await database.db.select().from(oauthCodes),
      await database.db.select().from(oauthAccessTokens),
      await database.db.select().from(managementEvents),
    ]
    for (const secret of [code, textIn(answer, 'access_token'), textIn(answer, 'refresh_token')]) {
      expect(JSON.stringify(rows)).not.toContain(secret)
    }
  })

  it('gives for a code one grant, however many come with it at once, and none is left', async () => {
    const code = await newCode('key-b')
    const answers = await Promise.allSettled([database, elsewhere].map((on) => exchange(formOf(code), { on })))
    const good = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
    expect(good).toHaveLength(1)
    expect(await found(textIn(good[0] ?? {}, 'access_token'))).toBeUndefined()
    expect(await database.db.select().from(oauthGrants).where(eq(oauthGrants.keyHash, 'key-b'))).toEqual([])
  })

  it.each([
    ['another client', {}, { by: { ...client, id: 'client_0b' } }],
    ['another redirect address', { redirect_uri: 'http://127.0.0.1/other' }, {}],
    ['another verifier', { code_verifier: 'w'.repeat(43) }, {}],
    ['another resource', { resource: '/mcp/other' }, {}],
  ])('refuses a code with %s, and then the right one as well', async (_, more, options) => {
    const code = await newCode('key-c')
    await expect(exchange(formOf(code, more), options)).rejects.toMatchObject(refused)
    await expect(exchange(formOf(code))).rejects.toMatchObject(refused)
  })

  it('refuses a code that is a minute old', async () => {
    const code = await newCode('key-d')
    clock.advance(lifetimes.codeMs)
    await expect(exchange(formOf(code))).rejects.toMatchObject(refused)
  })

  it('gives for a refresh token a new pair once; with the former one the whole family ends', async () => {
    const first = await exchange(formOf(await newCode('key-e')))
    const second = await refresh(textIn(first, 'refresh_token'), { on: elsewhere })
    // Calls may be under way with the former one.
    for (const pair of [first, second]) expect(await found(textIn(pair, 'access_token'))).toBeDefined()
    const third = await refresh(textIn(second, 'refresh_token'))
    await expect(refresh(textIn(first, 'refresh_token'))).rejects.toMatchObject(refused)
    await expect(refresh(textIn(third, 'refresh_token'))).rejects.toMatchObject(refused)
    expect(await found(textIn(third, 'access_token'))).toBeUndefined()
    const events = await database.db.select().from(managementEvents)
    expect(events.map(({ details }) => details)).toContainEqual(
      expect.objectContaining({ key: 'key-e', reason: 'refresh_token_replayed' }),
    )
  })

  it('lets of two that refresh at once one through; the other is told so, and for a moment takes nothing away', async () => {
    const first = await exchange(formOf(await newCode('key-f')))
    const token = textIn(first, 'refresh_token')
    const answers = await Promise.allSettled([database, elsewhere].map((on) => refresh(token, { on })))
    expect(answers.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
    const overtaken = { code: 'CONFLICT', details: { error: 'temporarily_unavailable' } }
    expect(answers.find(({ status }) => status === 'rejected')).toMatchObject({ reason: overtaken })
    const [got = {}] = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
    expect(await found(textIn(got, 'access_token'))).toBeDefined()
    clock.advance(lifetimes.overtakenMs - 1)
    await expect(refresh(token)).rejects.toMatchObject(overtaken)
    clock.advance(1)
    await expect(refresh(token)).rejects.toMatchObject(refused)
    expect(await found(textIn(got, 'access_token'))).toBeUndefined()
  })

  it('takes the former refresh token in the hands of another client for a stolen one, however early', async () => {
    const first = await exchange(formOf(await newCode('key-j')))
    const second = await refresh(textIn(first, 'refresh_token'))
    await expect(refresh(textIn(first, 'refresh_token'), { by: { ...client, id: 'client_0d' } })).rejects.toMatchObject(
      refused,
    )
    expect(await found(textIn(second, 'access_token'))).toBeUndefined()
  })

  it('gives nothing for the refresh token of another client, and leaves it its own', async () => {
    const first = await exchange(formOf(await newCode('key-g')))
    const token = textIn(first, 'refresh_token')
    await expect(refresh(token, { by: { ...client, id: 'client_0c' } })).rejects.toMatchObject(refused)
    expect(await refresh(token)).toMatchObject({ token_type: 'Bearer' })
  })

  it('keeps so many codes, grants and access tokens and no more, the newest', async () => {
    const codes: string[] = []
    for (let count = 0; count < 3; count += 1) {
      codes.push(await newCode('key-h'))
      clock.advance(1)
    }
    await expect(exchange(formOf(codes[0] ?? ''))).rejects.toMatchObject(refused)
    let last: JsonObject = await exchange(formOf(codes[2] ?? ''))
    const tokens = [textIn(last, 'access_token')]
    for (let count = 0; count < 2; count += 1) {
      clock.advance(1)
      last = await refresh(textIn(last, 'refresh_token'))
      tokens.push(textIn(last, 'access_token'))
    }
    expect((await Promise.all(tokens.map((token) => found(token)))).map((token) => token !== undefined)).toEqual([
      false,
      true,
      true,
    ])
    for (let count = 0; count < 3; count += 1) {
      clock.advance(1)
      await exchange(formOf(await newCode('key-h')))
    }
    expect(await found(textIn(last, 'access_token'))).toBeUndefined()
    expect(await database.db.select().from(oauthGrants).where(eq(oauthGrants.keyHash, 'key-h'))).toHaveLength(3)
  })

  it('is known no more within two seconds of its end elsewhere', async () => {
    const tokens = createAccessTokens({ store: storeOn(database), feed: database, clock, log: silentLogger })
    await tokens.start()
    const answer = await exchange(formOf(await newCode('key-i')))
    const hash = hashToken(new Secret(textIn(answer, 'access_token')))
    const known = await tokens.find(hash, signal)
    expect(known).toBeDefined()
    await storeOn(elsewhere).revoke(known?.grant.id ?? '', 'admin')
    await vi.waitFor(async () => expect(await tokens.find(hash, signal)).toBeUndefined(), {
      timeout: 2000,
      interval: 10,
    })
    await tokens.close()
  })

  it('keeps so many clients; who was let in stays the longest', async () => {
    const store = createPostgresClientStore({ database, most: 2 })
    const register = (id: string) =>
      store.insert({
        id,
        name: null,
        redirectUris: [redirectUri],
        grantTypes: ['authorization_code'],
        tokenEndpointAuthMethod: 'none',
        secretHash: null,
        metadata: {},
        createdAt: new Date(clock.now()),
      })
    await register('client_1')
    await store.touch('client_1', new Date(clock.now()))
    clock.advance(1)
    await register('client_2')
    clock.advance(1)
    await register('client_3')
    const there = await Promise.all(['client_1', 'client_2', 'client_3'].map((id) => store.find(id)))
    expect(there.map((row) => row?.id)).toEqual(['client_1', undefined, 'client_3'])
  })
})

describe('access tokens in memory', () => {
  it('go on while the store is away, and those it does not know are a fault of the store', async () => {
    const clock = fakeClock(0)
    let away = false
    let asked = 0
    const grant = {
      id: 'grant_1',
      clientId: 'c',
      keyHash: 'k',
      person: null,
      audience: '/mcp',
      scope: 'mcp',
      familyHash: null,
      refreshHash: null,
      refreshExpiresAt: null,
      formerRefreshHash: null,
      rotatedAt: null,
      createdAt: new Date(0),
      expiresAt: new Date(lifetimes.grantMs),
    }
    const tokens = createAccessTokens({
      store: {
        async findAccessToken(hash) {
          asked += 1
          if (away) throw new Error('away')
          return hash === 'known' ? { grant, issuedAt: new Date(0), expiresAt: new Date(300_000) } : undefined
        },
        changedSince: async () => ({ changes: [], complete: true, mark: new Date(0) }),
      },
      feed: { listen: async () => async () => {} },
      clock,
      log: silentLogger,
    })
    expect(await tokens.find('known', signal)).toBeDefined()
    away = true
    clock.advance(120_000)
    expect(await tokens.find('known', signal)).toBeDefined()
    await expect(tokens.find('other', signal)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    // Once it is known to be away, nobody waits for it to say what is known already.
    const askedBefore = asked
    expect(await tokens.find('known', signal)).toBeDefined()
    expect(asked).toBe(askedBefore)
    clock.advance(200_000)
    expect(await tokens.find('known', signal)).toBeUndefined()
    expect(await tokens.find('known', signal, clock.now() - 60_000)).toBeDefined()
  })
})
