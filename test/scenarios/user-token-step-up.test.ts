import { describe, expect, vi } from 'vitest'
import { userTokens } from '@toolgate/db'
import { boot } from '../boot.ts'
import { verifies } from '../verifies.ts'
import { base, browse, wayOn } from './oauth-browser.ts'
import { startUserTokenWorld } from './user-token-world.ts'

/** What a person is asked to allow at the server's authorization server. */
async function askedFor(gateway: Parameters<typeof browse>[0], key: string): Promise<string | null> {
  const browser = browse(gateway)
  const { text } = await browser.send(await browser.open('/connect/repo'), { key })
  const link = wayOn(text)
  return new URL(link ?? '').searchParams.get('scope')
}

describe('a server that wants more than an account was granted', () => {
  verifies(
    'oauth:user-tokens',
    'has it asked for at the next sign-in, at any gateway, beside what there is',
    async () => {
      await using world = await startUserTokenWorld({ refresh_token: 'refresh', scope: 'read' })
      const { here, key, upstream, database, sealer, configWith } = world
      expect(await world.call()).toEqual({ status: 200 })
      expect(await askedFor(here, key)).toBeNull()
      let wanted = 'write'
      const isCall = (message: object) => Reflect.get(message, 'method') === 'tools/call'
      upstream.answer(({ message }) => {
        const challenge = `Bearer error="insufficient_scope", scope="${wanted}", resource_metadata="https://elsewhere.example/"`
        return isCall(message) ? { status: 403, headers: { 'www-authenticate': challenge } } : undefined
      })
      expect(await world.call()).toMatchObject({ status: 401, connect_url: `${base}/connect/repo` })
      expect(await askedFor(here, key)).toBe('read write')
      wanted = 'admin write'
      for (let times = 0; times < 3; times += 1) await world.call()
      const kept = async () => (await database.db.select().from(userTokens)).map(({ wantedScopes }) => wantedScopes)
      await vi.waitFor(async () => expect(await kept()).toEqual([['write', 'admin']]), 10_000)
      await using elsewhere = await boot({
        database: { ...database, close: async () => {} },
        sealer,
        env: { PROXY_BASE_URL: base },
        config: configWith('secret-one'),
      })
      expect(await askedFor(elsewhere, key)).toBe('read write admin')
      // Whoever signs in has seen what is asked for; it begins anew.
      upstream.answer(() => undefined)
      await world.connect()
      expect(await kept()).toEqual([null])
      expect(await world.call()).toEqual({ status: 200 })
      expect(await askedFor(here, key)).toBeNull()
    },
  )

  verifies('oauth:user-tokens', 'gets nothing that the operator did not list', async () => {
    await using world = await startUserTokenWorld({ refresh_token: 'refresh', scope: 'read' }, (issuer) => ({
      issuer,
      scopes: ['read'],
    }))
    const { here, key, upstream } = world
    upstream.answer(({ message }) =>
      message['method'] === 'tools/call'
        ? { status: 403, headers: { 'www-authenticate': 'Bearer error="insufficient_scope", scope="write"' } }
        : undefined,
    )
    expect((await world.call()).status).toBe(401)
    expect(await askedFor(here, key)).toBe('read')
  })
})
