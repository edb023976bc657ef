import { describe, expect } from 'vitest'
import { startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { verifies } from '../verifies.ts'
import { authorizeUrl, base, browse, clientOf } from './oauth-browser.ts'
import { startUserTokenWorld } from './user-token-world.ts'

/** A client signs in at all servers at once, and nobody has an account yet. */
async function startWorld() {
  const world = await startUserTokenWorld()
  const { here, key } = world
  await here.json('/v1/mcp/server/repo/oauth-user-credential', { key, method: 'DELETE' })
  const id = await clientOf(here).newClient()
  const browser = browse(here)
  return {
    ...world,
    id,
    browser,
    async agree(by: string = key, resource = `${base}/mcp`) {
      const page = await browser.open(authorizeUrl(id, { resource }))
      return browser.send(page, { key: by, decision: 'allow' })
    },
  }
}
const linkIn = (text: string, words: RegExp) => {
  const links = [...text.matchAll(/<a [^>]*href="([^"]*)"[^>]*>([^<]*)<\/a>/g)]
  return links.find(([, , said = '']) => words.test(said))?.[1]?.replaceAll('&amp;', '&')
}
const codeIn = (url: URL | undefined) => url?.searchParams.get('code') ?? ''

describe('a sign-in at every server, only one of which has people sign in', () => {
  verifies('oauth:user-tokens', 'leads there on the way, once', async () => {
    await using world = await startWorld()
    const page = await world.agree()
    const link = new URL(linkIn(page.text, /^Sign in at/) ?? '')
    expect(link.origin).toBe(world.there.origin)
    const back = new URL(link.searchParams.get('redirect_uri') ?? '')
    const answer = new URLSearchParams({ code: 'x', state: link.searchParams.get('state') ?? '' })
    const done = await world.browser.open(`${back.pathname}?${answer.toString()}`)
    expect(codeIn(done.location)).toMatch(/^tgac_/)
    expect(await world.call()).toEqual({ status: 200 })
    expect(codeIn((await world.agree()).location)).toMatch(/^tgac_/)
  })

  verifies(
    'oauth:user-tokens',
    'goes on without, where the person wants to or the server cannot be asked',
    async () => {
      await using world = await startWorld()
      const page = await world.agree()
      const skipped = await world.browser.open(linkIn(page.text, /^Go on without/) ?? '')
      expect(codeIn(skipped.location)).toMatch(/^tgac_/)
      expect((await world.call()).status).toBe(401)
      // At the endpoint of that server there is nothing to go on to.
      const there = await world.agree(undefined, `${base}/mcp/repo`)
      expect(there.text).toContain('Sign in at')
      expect(linkIn(there.text, /^Go on without/)).toBeUndefined()
      world.there.documents.clear()
      await world.here.reload({ mcp_servers: { repo: { ...world.configWith('x').mcp_servers.repo, client_id: null } } })
      expect(codeIn((await world.agree()).location)).toMatch(/^tgac_/)
    },
  )

  verifies('oauth:user-tokens', 'is none where several have, or the key may not use it', async () => {
    await using world = await startWorld()
    const { here, configWith } = world
    await using other = await startRawMcpServer()
    const { repo } = configWith('secret-one').mcp_servers
    const elsewhere = await here.makeKey({ object_permission: { mcp_servers: [] } })
    expect(codeIn((await world.agree(elsewhere)).location)).toMatch(/^tgac_/)
    await here.reload({ mcp_servers: { repo, other: { ...repo, url: other.url } } })
    const both = await here.makeKey({ object_permission: { mcp_servers: ['repo', 'other'] } })
    expect(codeIn((await world.agree(both)).location)).toMatch(/^tgac_/)
    await here.reload({ mcp_servers: { repo, other: { url: other.url, auth_type: 'oauth_delegate' } } })
    expect(codeIn((await world.agree(both)).location)).toMatch(/^tgac_/)
  })
})
