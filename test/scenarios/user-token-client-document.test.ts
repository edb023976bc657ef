import { describe, expect } from 'vitest'
import { boot } from '../boot.ts'
import { verifies } from '../verifies.ts'
import { browse, wayOn } from './oauth-browser.ts'
import { startSignInServers } from './sign-in-servers.ts'

const base = 'https://tools.example.com'

/** An authorization server that says this of its clients, and the way to it from a gateway at this address. */
async function startWorld(clients: object, at = base) {
  const behind = new AsyncDisposableStack()
  const { there, upstream, origin } = await startSignInServers(behind, clients)
  there.answer(({ number }) => ({
    body: { access_token: `token-${number}`, refresh_token: `refresh-${number}`, token_type: 'Bearer', expires_in: 1 },
  }))
  const repo = { url: upstream.url, auth_type: 'oauth2', oauth2_flow: 'authorization_code', issuer: origin }
  const here = behind.use(await boot({ env: { PROXY_BASE_URL: at }, config: { mcp_servers: { repo } } }))
  const key = await here.makeKey({ user_id: 'ada', object_permission: { mcp_servers: ['repo'] } })
  const browser = browse(here, at)
  return {
    there,
    here,
    key,
    upstream,
    open: browser.open,
    async leave() {
      const { status, text } = await browser.send(await browser.open('/connect/repo'), { key })
      const link = URL.parse(wayOn(text) ?? '')
      const told = (name: string) => link?.searchParams.get(name) ?? ''
      return { status, text, client: told('client_id'), back: told('redirect_uri'), state: told('state') }
    },
    [Symbol.asyncDispose]: () => behind.disposeAsync(),
  }
}

describe('an authorization server that reads documents of clients', () => {
  verifies('oauth:user-tokens', 'knows the gateway by the one that it publishes, and by no secret', async () => {
    await using world = await startWorld({ client_id_metadata_document_supported: true })
    const { there, here, key, upstream, open } = world
    const { client, back, state } = await world.leave()
    expect(client).toMatch(new RegExp(`^${base}/connect/[\\da-f]+/client\\.json$`))
    // As that server does, with no credential of the gateway.
    const document = await here.request(new URL(client).pathname, { key: null, headers: { host: 'tools.example.com' } })
    expect(document.headers.get('content-type')).toContain('application/json')
    expect(await document.json()).toEqual({
      client_id: client,
      client_name: 'toolgate',
      redirect_uris: [back],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
      application_type: 'web',
    })
    const page = await open(`${new URL(back).pathname}?${String(new URLSearchParams({ code: 'of-ada', state }))}`)
    expect(page.text).toContain('is connected')
    await expect
      .poll(
        async () => {
          await here.json('/mcp-rest/tools/call', { key, body: { server_id: 'repo', name: 'echo', arguments: {} } })
          return there.requests.map(({ form }) => form.get('grant_type'))
        },
        { timeout: 20_000 },
      )
      .toContain('refresh_token')
    for (const { form, headers } of there.requests) {
      expect([form.get('client_id'), form.get('client_secret'), headers.authorization]).toEqual([
        client,
        null,
        undefined,
      ])
    }
    expect(upstream.received('tools/call').at(-1)?.headers.authorization).toMatch(/^Bearer token-\d+$/)
  })

  verifies('oauth:user-tokens', 'registers it where it does that as well: nobody need reach the gateway', async () => {
    await using world = await startWorld({ client_id_metadata_document_supported: true })
    const { there } = world
    const metadata = there.documents.get('/.well-known/oauth-authorization-server')
    there.documents.set('/.well-known/oauth-authorization-server', {
      ...metadata,
      registration_endpoint: `${there.origin}/register`,
    })
    there.answer(() => ({ status: 201, body: { client_id: 'made-there', redirect_uris: [`${base}/callback`] } }))
    expect((await world.leave()).client).toBe('made-there')
  })

  verifies('oauth:user-tokens', 'is shown none where the gateway has no https address of its own', async () => {
    const at = 'http://127.0.0.1:4000'
    await using world = await startWorld({ client_id_metadata_document_supported: true }, at)
    const { status, text, client } = await world.leave()
    expect([status, client]).toEqual([403, ''])
    expect(text).toContain('lets no client register itself')
    expect((await world.open(`${at}/connect/repo/client.json`)).status).toBe(404)
  })

  verifies('oauth:user-tokens', 'is asked for nothing where it does not say that it does', async () => {
    await using world = await startWorld({})
    expect((await world.leave()).client).toBe('')
  })
})
