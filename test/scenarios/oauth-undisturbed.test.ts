import { fakeClock } from '@toolgate/testing/fake-clock'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'
import { authorizeUrl, base, browse, clientOf, textOf } from './oauth-browser.ts'

const behind = new AsyncDisposableStack()
const clock = fakeClock(Date.now())
let gateway: Booted
let key: string
let id: string
beforeAll(async () => {
  gateway = behind.use(await boot({ clock, env: { PROXY_BASE_URL: base } }))
  key = await gateway.makeKey()
  id = await client().newClient()
})
afterAll(() => behind.disposeAsync())

const client = () => clientOf(gateway)
const tokensOf = async (clientId: string) => {
  const end = await browse(gateway).allow(authorizeUrl(clientId), key)
  return (await client().exchange(textOf(end.searchParams.get('code')), { client_id: clientId })).body
}

describe('a client that refreshes twice at once', () => {
  verifies('oauth:undisturbed', 'stays signed in: one gets tokens, the other is told to go on with them', async () => {
    const { refresh_token: token } = await tokensOf(id)
    const both = await Promise.all([client().refresh(token, id), client().refresh(token, id)])
    const [got, late] = both.toSorted((left, right) => left.status - right.status)
    expect([got?.status, late?.status, late?.body['error']]).toEqual([200, 400, 'temporarily_unavailable'])
    expect(await client().ping('/mcp', got?.body['access_token'])).toBe(200)
    expect((await client().refresh(got?.body['refresh_token'], id)).status).toBe(200)
  })

  verifies('oauth:attacks', 'is a thief who comes ten seconds later, and ends the grant', async () => {
    const { refresh_token: token } = await tokensOf(id)
    const { body } = await client().refresh(token, id)
    clock.advance(10_000)
    expect((await client().refresh(token, id)).body['error']).toBe('invalid_grant')
    expect((await client().refresh(body['refresh_token'], id)).body['error']).toBe('invalid_grant')
  })
})
