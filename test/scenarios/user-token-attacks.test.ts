import { authorizationServerMetadata } from '@toolgate/testing/authorization-server-metadata'
import { startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { type OauthServer, startOauthServer } from '@toolgate/testing/oauth-server'
import { describe, expect } from 'vitest'
import { boot, recordingLog } from '../boot.ts'
import { verifies } from '../verifies.ts'
import { authorizeUrl, base, browse, clientOf, wayOn } from './oauth-browser.ts'

describe('an authorization server that only the MCP server names', () => {
  verifies('oauth:attacks', 'does not get the operator’s secret, and is told as what is missing', async () => {
    await using there = await startOauthServer()
    await using upstream = await startRawMcpServer()
    const { origin } = there
    there.documents.set('/.well-known/oauth-authorization-server', authorizationServerMetadata(origin))
    upstream.answer(({ path }) =>
      path.startsWith('/.well-known/oauth-protected-resource')
        ? { body: { resource: upstream.url, authorization_servers: [origin] } }
        : undefined,
    )
    const own = { url: upstream.url, auth_type: 'oauth2', oauth2_flow: 'authorization_code', client_id: 'toolgate' }
    const mcp_servers = {
      secret: { ...own, client_secret: 'secret-one' },
      pointed: { ...own, client_secret: 'secret-one', issuer: origin },
      open: own,
    }
    const general_settings = { mcp_allowed_private_networks: ['127.0.0.0/8'] }
    await using here = await boot({ env: { PROXY_BASE_URL: base }, config: { general_settings, mcp_servers } })
    const key = await here.makeKey({ user_id: 'ada', object_permission: { mcp_servers: Object.keys(mcp_servers) } })
    const left = async (name: string) => {
      const browser = browse(here)
      const { status, text } = await browser.send(await browser.open(`/connect/${name}`), { key })
      return { status, leads: /class="button" href=/.test(text), text }
    }
    expect(await left('secret')).toEqual({
      status: 502,
      leads: false,
      text: expect.stringContaining('must set issuer or token_url'),
    })
    expect([await left('pointed'), await left('open')]).toMatchObject([
      { status: 200, leads: true },
      { status: 200, leads: true },
    ])
  })
})

describe('authorization servers that do not say who they are', () => {
  verifies('oauth:attacks', 'are told apart by where the browser comes back to', async () => {
    await using honest = await startOauthServer()
    await using evil = await startOauthServer()
    await using upstream = await startRawMcpServer()
    const servers = Object.entries({ honest, evil }).map(([name, { origin, documents, answer }]) => {
      documents.set('/.well-known/oauth-authorization-server', {
        ...authorizationServerMetadata(origin),
        registration_endpoint: `${origin}/register`,
      })
      const registered = { client_id: 'made-there', redirect_uris: [`${base}/callback`] }
      answer(() => ({ body: { ...registered, access_token: 'token', token_type: 'Bearer' } }))
      const own = { auth_type: 'oauth2', oauth2_flow: 'authorization_code', issuer: origin }
      return [name, { url: upstream.url, ...own }] as const
    })
    const mcp_servers = Object.fromEntries(servers)
    await using here = await boot({ env: { PROXY_BASE_URL: base }, config: { mcp_servers } })
    const key = await here.makeKey({ user_id: 'ada', object_permission: { mcp_servers: ['honest', 'evil'] } })
    const browser = browse(here)
    const left = async (name: string) => {
      const { text } = await browser.send(await browser.open(`/connect/${name}`), { key })
      const link = new URL(wayOn(text) ?? '')
      return { back: link.searchParams.get('redirect_uri') ?? '', state: link.searchParams.get('state') ?? '' }
    }
    const [atHonest, atEvil] = [await left('honest'), await left('evil')]
    expect(atHonest.back).not.toBe(atEvil.back)
    const arrive = async (path: string, state: string) => {
      const { status, text } = await browser.open(`${path}?${String(new URLSearchParams({ code: 'of-ada', state }))}`)
      return [status, /is connected/.test(text)]
    }
    // Who began at the one was sent on to the other, whose code goes to neither.
    expect(await arrive(atHonest.back, atEvil.state)).toEqual([400, false])
    expect(await arrive('/callback', atEvil.state)).toEqual([400, false])
    expect([honest, evil].flatMap(({ requests }) => requests.filter(({ raw }) => raw.includes('of-ada')))).toEqual([])
    expect(await arrive(atHonest.back, atHonest.state)).toEqual([200, true])
  })

  verifies('oauth:attacks', 'are told apart where the operator registered a callback of their own', async () => {
    await using honest = await startOauthServer()
    await using evil = await startOauthServer()
    await using upstream = await startRawMcpServer()
    for (const { answer } of [honest, evil]) answer(() => ({ body: { access_token: 'token', token_type: 'Bearer' } }))
    const entry = ({ origin }: OauthServer, auth: object) => ({
      url: upstream.url,
      client_id: 'toolgate',
      client_secret: `secret-at-${origin}`,
      authorization_url: `${origin}/authorize`,
      token_url: `${origin}/token`,
      ...auth,
    })
    const account = { auth_type: 'oauth2', oauth2_flow: 'authorization_code' }
    const relay = { auth_type: 'oauth_delegate' }
    const servers = (own: object) => ({
      honest: entry(honest, { ...account, ...own }),
      passed: entry(honest, { ...relay, ...own, server_id: 'id-of-passed' }),
      evil: entry(evil, account),
      hostile: entry(evil, relay),
    })
    const log = recordingLog()
    const config = { mcp_servers: servers({ own_callback: true }) }
    await using here = await boot({ env: { PROXY_BASE_URL: base }, log, config })
    const key = await here.makeKey({ user_id: 'ada', object_permission: { mcp_servers: ['all-proxy-mcpservers'] } })
    const id = await clientOf(here).newClient()
    const browser = browse(here)
    const pageOf = async (name: string) => {
      if (name !== 'passed' && name !== 'hostile') return browser.send(await browser.open(`/connect/${name}`), { key })
      const asked = authorizeUrl(id, { resource: `${base}/mcp/${name}` })
      return browser.send(await browser.open(asked), { key, decision: 'allow' })
    }
    const left = async (name: string) => {
      const { text } = await pageOf(name)
      const link = new URL(wayOn(text) ?? '')
      return { back: link.searchParams.get('redirect_uri') ?? '', state: link.searchParams.get('state') ?? '' }
    }
    const arrive = (path: string, state: string) =>
      browser.open(`${path}?${String(new URLSearchParams({ code: 'of-ada', state }))}`)
    for (const [sound, attacker] of [
      ['honest', 'evil'],
      ['passed', 'hostile'],
    ] as const) {
      const [atSound, atAttacker] = [await left(sound), await left(attacker)]
      expect(atAttacker.back).toBe(`${base}/callback`)
      expect(atSound.back).toMatch(
        new RegExp(`^${base}/connect/${sound === 'passed' ? 'id-of-passed' : '[\\da-f]+'}/callback$`),
      )
      // The honest server sends the browser to where its client is registered, whoever sent it there.
      const mixedUp = await arrive(atSound.back, atAttacker.state)
      expect([mixedUp.status, mixedUp.location]).toEqual([400, undefined])
      expect((await arrive(atAttacker.back, atSound.state)).status).toBe(400)
    }
    expect([honest, evil].flatMap(({ requests }) => requests.filter(({ raw }) => raw.includes('of-ada')))).toEqual([])
    const atHonest = await left('honest')
    expect((await arrive(atHonest.back, atHonest.state)).text).toContain('is connected')

    const warnings = () => log.lines.filter((line) => line.includes('share one callback'))
    // Both that are left without are of one authorization server.
    expect(warnings()).toEqual([])
    await here.reload({ mcp_servers: servers({}) })
    expect(warnings()).toEqual([expect.stringContaining('(honest, passed, evil, hostile)')])
  })
})
