import { serveOnLoopback } from '@toolgate/testing/loopback'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { afterAll, beforeAll, describe, expect, vi } from 'vitest'
import { boot, type Booted } from '../boot.ts'
import { verifies } from '../verifies.ts'
import { authorizeUrl, base, browse, callback, clientOf, textOf } from './oauth-browser.ts'

const behind = new AsyncDisposableStack()
const clock = fakeClock(Date.now())
let gateway: Booted
let key: string
let id: string
beforeAll(async () => {
  const config = {
    general_settings: {
      mcp_allowed_private_networks: ['127.0.0.0/8'],
      use_x_forwarded_for: true,
      mcp_trusted_proxy_ranges: ['10.0.0.0/8'],
    },
  }
  gateway = behind.use(await boot({ clock, config, env: { PROXY_BASE_URL: base } }))
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

/** Requests as they come through a trusted proxy from this address. */
const from = (address: string): Pick<Booted, 'fetch'> => ({
  fetch: async (input, init) => {
    const request = new Request(input, init)
    request.headers.set('x-forwarded-for', address)
    const incoming = {
      socket: { remoteAddress: '10.0.0.1' },
      headers: Object.fromEntries(request.headers),
      rawHeaders: [],
    }
    return gateway.app.fetch(request, { incoming })
  },
})

describe('keys that strangers try', () => {
  const guess = async (address: string) => {
    const browser = browse(from(address))
    return browser.send(await browser.open(authorizeUrl(id)), { key: 'sk-made-up-by-a-stranger', decision: 'allow' })
  }

  verifies('oauth:undisturbed', 'are twenty a minute from one address, which locks nobody else out', async () => {
    for (let count = 0; count < 20; count += 1) expect((await guess('198.51.100.1')).status).toBe(403)
    const page = await guess('198.51.100.1')
    expect([page.status, page.headers.get('retry-after')]).toEqual([429, expect.stringMatching(/^[1-6]?\d$/)])
    expect(page.text).toMatch(/role="alert"[^>]*>Too many requests/)
    const here = browse(from('198.51.100.1'))
    expect((await here.send(await here.open('/connect/git'), { key: 'sk-made-up-as-well' })).status).toBe(429)
    const end = await browse(from('198.51.100.2')).allow(authorizeUrl(id), key)
    expect(end.searchParams.get('code')).toMatch(/^tgac_/)
    clock.advance(60_000)
    expect((await guess('198.51.100.1')).status).toBe(403)
  })

  verifies('oauth:undisturbed', 'count alone: who has a key signs in as often as need be', async () => {
    for (let count = 0; count < 25; count += 1) {
      clock.advance(1)
      const end = await browse(from('198.51.100.3')).allow(authorizeUrl(id), key)
      expect(end.searchParams.get('code')).toMatch(/^tgac_/)
    }
  })
})

describe('a client that is the address of a document', () => {
  const startHost = async () => {
    const host = { hangs: false, away: false, fits: true, hits: 0 }
    const server = await serveOnLoopback(async (request) => {
      host.hits += 1
      const { origin, pathname } = new URL(request.url)
      if (host.away) return new Response(null, { status: 503 })
      if (host.hangs && pathname !== '/client.json') await new Promise(() => {})
      const document = { client_id: `${origin}${pathname}`, client_name: 'Documented', redirect_uris: [callback] }
      return host.fits ? Response.json(document) : new Response(null, { status: 404 })
    })
    return { host, server, clientId: `${server.origin}/client.json` }
  }
  const answerOf = ({ status, body }: { status: number; body: object }) => [status, Reflect.get(body, 'error')]

  verifies(
    'oauth:undisturbed',
    'goes on while its host is away, and loses nothing where it was never read',
    async () => {
      const { host, server, clientId } = await startHost()
      await using _ = server
      const first = await tokensOf(clientId)
      host.away = true
      const never = await client().refresh(first['refresh_token'], `${server.origin}/never.json`)
      expect([...answerOf(never), never.headers.get('retry-after')]).toEqual([503, 'temporarily_unavailable', '30'])
      const hits = host.hits
      clock.advance(60 * 60_000)
      const second = await client().refresh(first['refresh_token'], clientId)
      expect([second.status, host.hits]).toEqual([200, hits + 1])
      // For a while nobody asks again.
      const third = await client().refresh(second.body['refresh_token'], clientId)
      expect([third.status, host.hits]).toEqual([200, hits + 1])
      clock.advance(5 * 60 * 60_000 + 1)
      const late = await client().refresh(third.body['refresh_token'], clientId)
      expect(answerOf(late)).toEqual([503, 'temporarily_unavailable'])
      host.away = false
      clock.advance(30_001)
      expect((await client().refresh(third.body['refresh_token'], clientId)).status).toBe(200)
    },
  )

  verifies('oauth:undisturbed', 'is none any more where its document says so', async () => {
    const { host, server, clientId } = await startHost()
    await using _ = server
    const { refresh_token: token } = await tokensOf(clientId)
    host.fits = false
    clock.advance(5 * 60_000)
    expect(answerOf(await client().refresh(token, clientId))).toEqual([401, 'invalid_client'])
  })

  verifies('oauth:undisturbed', 'is read whatever addresses strangers have the gateway wait for', async () => {
    const slow = await startHost()
    const { server, clientId } = await startHost()
    await using _ = server
    await using __ = slow.server
    slow.host.hangs = true
    const stop = new AbortController()
    const asked = Array.from({ length: 12 }, async (_none, index) => {
      const url = authorizeUrl(`${slow.server.origin}/hang/${index}`)
      const request = new Request(url, { signal: stop.signal })
      return from('198.51.100.9')
        .fetch(request)
        .catch(() => undefined)
    })
    await vi.waitFor(() => expect(slow.host.hits).toBe(4), { timeout: 10_000 })
    expect((await tokensOf(clientId))['token_type']).toBe('Bearer')
    stop.abort()
    await Promise.all(asked)
    expect(slow.host.hits).toBe(4)
  })
})

describe('a client that registered', () => {
  verifies('oauth:undisturbed', 'is known, however many ids a stranger makes up', async () => {
    const { refresh_token: token } = await tokensOf(id)
    const statuses = new Set<number>()
    for (let count = 0; count < 70; count += 1) {
      const unknown = `client_${count.toString(16).padStart(32, '0')}`
      const request = new Request(authorizeUrl(unknown))
      statuses.add((await from('198.51.100.5').fetch(request)).status)
    }
    expect(statuses).toEqual(new Set([400, 429]))
    expect((await from('198.51.100.5').fetch(new Request(authorizeUrl(id)))).status).toBe(200)
    expect((await client().refresh(token, id)).status).toBe(200)
  })

  verifies(
    'oauth:undisturbed',
    'says of itself what fits into a row, and is gone after a day where nobody let it in',
    async () => {
      const uris = Array.from({ length: 6 }, (_, index) => `${callback}/${index}${'x'.repeat(1_500)}`)
      const { status, body } = await client().register({ redirect_uris: uris })
      expect([status, body['error']]).toEqual([400, 'invalid_client_metadata'])
      const unused = await client().newClient()
      clock.advance(24 * 60 * 60_000)
      await client().newClient()
      expect((await browse(gateway).open(authorizeUrl(unused))).status).toBe(400)
      expect((await browse(gateway).open(authorizeUrl(id))).status).toBe(200)
    },
  )
})
