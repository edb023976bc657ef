import { serveOnLoopback } from '@toolgate/testing/loopback'
import { startRawMcpServer } from '@toolgate/testing/mcp-raw'
import { describe, expect } from 'vitest'
import { boot } from '../boot.ts'
import { verifies } from '../verifies.ts'
import { authorizeUrl, base, browse, clientOf, textOf, wayOn } from './oauth-browser.ts'

const delegate = { auth_type: 'oauth_delegate' } as const
const authorize = (server: string, id: string): URL =>
  new URL(`/${server}${authorizeUrl(id, { resource: `${base}/mcp/${server}` }).href.slice(base.length)}`, base)

describe('a refresh token of a server that a client revokes', () => {
  verifies('oauth:relay', 'is said to go on where the server takes no token back, or cannot be asked', async () => {
    let place: string | undefined
    const issued = { access_token: 'token-of-the-server', token_type: 'Bearer', refresh_token: 'refresh-there' }
    const asked: string[] = []
    await using there = await serveOnLoopback(async (request) => {
      const { pathname } = new URL(request.url)
      if (pathname === '/token') return Response.json(issued)
      if (pathname === '/revoke') {
        asked.push(await request.text())
        return new Response(null, { status: 503 })
      }
      if (!pathname.startsWith('/.well-known/oauth-authorization-server')) return new Response(null, { status: 404 })
      const issuer = there.origin
      const endpoints = { authorization_endpoint: `${issuer}/authorize`, token_endpoint: `${issuer}/token` }
      const code = { response_types_supported: ['code'], code_challenge_methods_supported: ['S256'] }
      return Response.json({ issuer, ...endpoints, ...code, ...(place && { revocation_endpoint: place }) })
    })
    await using server = await startRawMcpServer()
    const pointed = {
      client_id: 'toolgate',
      client_secret: 'secret-of-the-gateway-there',
      token_url: `${there.origin}/token`,
    }
    const mcp_servers = {
      whole: { url: server.url, ...delegate, ...pointed, issuer: there.origin },
      // Its authorization server is known by its own word alone, and says of another place that tokens end there.
      part: { url: `${there.origin}/mcp`, ...delegate, ...pointed },
    }
    const general_settings = { mcp_allowed_private_networks: ['127.0.0.0/8'] }
    await using here = await boot({ config: { general_settings, mcp_servers }, env: { PROXY_BASE_URL: base } })
    const by = await here.makeKey({ object_permission: { mcp_servers: Object.keys(mcp_servers) } })
    const id = await clientOf(here).newClient()
    const tokenOf = async (name: string) => {
      const browser = browse(here)
      const page = await browser.send(await browser.open(authorize(name, id)), { key: by, decision: 'allow' })
      const link = wayOn(page.text) ?? ''
      const state = new URL(link).searchParams.get('state') ?? ''
      const back = await browser.open(`${base}/callback?${new URLSearchParams({ code: 'x', state }).toString()}`)
      const code = back.location?.searchParams.get('code')
      return (await clientOf(here).exchange(textOf(code), { client_id: id }, `/${name}/token`)).body['refresh_token']
    }
    const revoke = async (name: string) =>
      clientOf(here).form(`/${name}/revoke`, { token: textOf(await tokenOf(name)), client_id: id })
    const goesOn = { status: 400, body: { error: 'unsupported_token_type' } }
    expect(await revoke('whole')).toMatchObject(goesOn)
    await using elsewhere = await serveOnLoopback(async (request) => {
      asked.push(await request.text())
      return new Response()
    })
    place = `${elsewhere.origin}/revoke`
    expect(await revoke('part')).toMatchObject(goesOn)
    expect(asked).toEqual([])
    place = `${there.origin}/revoke`
    expect((await revoke('whole')).status).toBe(502)
    expect(asked).toEqual([expect.stringContaining('refresh-there')])
  })
})
