import { userTokens } from '@toolgate/db'
import { describe, expect } from 'vitest'
import { verifies } from '../verifies.ts'
import { startUserTokenWorld } from './user-token-world.ts'

const permission = { object_permission: { mcp_servers: ['repo'] } }
const unpermitted = { object_permission: { mcp_servers: [] } }
/** What makes a key one that may not connect an account at `repo`, or not for whom it could before. */
const endings = [
  ['/key/delete', (key: string) => ({ keys: [key] })],
  ['/key/block', (key: string) => ({ key })],
  ['/key/regenerate', (key: string) => ({ key })],
  ['/key/update', (key: string) => ({ key, ...unpermitted })],
  ['/key/update', (key: string) => ({ key, user_id: 'somebody-else' })],
] as const

/**
 * How often the server is asked for a token where the key of somebody who comes back from it has ended, before that or while it is
 * asked. The page says no in either case.
 */
async function askedOnTheWayBack(
  { here, there, leave }: Awaited<ReturnType<typeof startUserTokenWorld>>,
  [path, change]: (typeof endings)[number],
  ended: 'before' | 'meanwhile',
): Promise<number> {
  const key = await here.makeKey(permission)
  const back = await leave(key)
  const before = there.requests.length
  const end = () => here.json(path, { body: change(key) })
  if (ended === 'before') await end()
  else {
    there.answer(async () => {
      await end()
      return { body: { access_token: 'late', token_type: 'Bearer', expires_in: 3600 } }
    })
  }
  const page = await back()
  expect([path, page.status >= 400, page.text.includes('is connected')]).toEqual([path, true, false])
  return there.requests.length - before
}

describe('accounts at servers that are connected as a key ends', () => {
  verifies(
    'oauth:user-tokens',
    'are not kept for a key that may come in no more when its holder comes back',
    async () => {
      await using world = await startUserTokenWorld()
      const { here, database, leave } = world
      await database.db.delete(userTokens)
      for (const ending of endings) {
        expect([ending[0], await askedOnTheWayBack(world, ending, 'before')]).toEqual([ending[0], 0])
      }
      expect(await database.db.select().from(userTokens)).toEqual([])
      const untouched = await (await leave(await here.makeKey(permission)))()
      expect(untouched.text).toContain('is connected')
    },
  )

  verifies('oauth:user-tokens', 'are not kept for a key that ends while its code is exchanged', async () => {
    await using world = await startUserTokenWorld()
    const { database } = world
    await database.db.delete(userTokens)
    for (const ending of endings) {
      expect([ending[0], await askedOnTheWayBack(world, ending, 'meanwhile')]).toEqual([ending[0], 1])
      expect([ending[0], await database.db.select().from(userTokens)]).toEqual([ending[0], []])
    }
    world.minted()
    expect((await world.connect()).text).toContain('is connected')
  })
})
