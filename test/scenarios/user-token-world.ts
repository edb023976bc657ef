import { createSealer, deriveSealingKey } from '@toolgate/auth'
import { Secret } from '@toolgate/core'
import { openTestDatabase } from '@toolgate/testing/database'
import { fakeClock } from '@toolgate/testing/fake-clock'
import type { TokenEndpointAnswer } from '@toolgate/testing/oauth-server'
import { expect } from 'vitest'
import { boot, recordingLog } from '../boot.ts'
import { base, browse, wayOn } from './oauth-browser.ts'
import { startSignInServers } from './sign-in-servers.ts'

/** A server whose users sign in at an authorization server that does what it is told, and one user who has. */
export async function startUserTokenWorld(
  tokens: object = { refresh_token: 'refresh' },
  /** What the operator says of where the authorization server is. */
  where: (origin: string) => object = (issuer) => ({ issuer }),
) {
  const behind = new AsyncDisposableStack()
  const { there, upstream, origin } = await startSignInServers(behind, {
    token_endpoint_auth_methods_supported: ['client_secret_post'],
  })
  const minted = (more: object = tokens) =>
    there.answer(({ number }) => ({
      body: { access_token: `token-${number}`, token_type: 'Bearer', expires_in: 3600, ...more },
    }))
  minted()
  const clock = fakeClock(Date.now())
  const log = recordingLog()
  const configWith = (client_secret: string) => ({
    mcp_servers: {
      repo: {
        url: upstream.url,
        auth_type: 'oauth2',
        oauth2_flow: 'authorization_code',
        client_id: 'toolgate',
        client_secret,
        ...where(origin),
      },
    },
  })
  const database = await openTestDatabase()
  const sealer = createSealer({ keys: [deriveSealingKey(new Secret('a key of this test'))] })
  const here = behind.use(
    await boot({ clock, log, database, sealer, env: { PROXY_BASE_URL: base }, config: configWith('secret-one') }),
  )
  const key = await here.makeKey({ user_id: 'ada', object_permission: { mcp_servers: ['repo'] } })
  const call = async (signal?: AbortSignal) => {
    const body = { server_id: 'repo', name: 'echo', arguments: {} }
    const response = await here.request('/mcp-rest/tools/call', { key, body, ...(signal && { signal }) })
    const answer: { detail?: { connect_url?: string; error?: string } } = JSON.parse(await response.text())
    return { status: response.status, ...answer.detail }
  }
  const linkIn = (text: string) => new URL(wayOn(text) ?? '')
  const stateOf = (link: URL) => encodeURIComponent(link.searchParams.get('state') ?? '')
  /** Up to the way back, which it answers. */
  const leave = async (by = key) => {
    const browser = browse(here)
    const page = await browser.send(await browser.open('/connect/repo'), { key: by })
    const link = linkIn(page.text)
    const back = new URL(link.searchParams.get('redirect_uri') ?? '')
    return (answer: string = '') => browser.open(`${back.pathname}?code=x&state=${stateOf(link)}${answer}`)
  }
  const connect = async () => (await leave())()
  const page = await connect()
  expect([page.status, page.text]).toEqual([200, expect.stringContaining('is connected')])
  return {
    there,
    upstream,
    here,
    key,
    log,
    clock,
    database,
    sealer,
    configWith,
    call,
    connect,
    leave,
    answer: (answer: TokenEndpointAnswer) => there.answer(() => answer),
    minted,
    status: () => here.json('/v1/mcp/server/repo/oauth-user-credential/status', { key }),
    /** On the wall, and enough of it for what is known for a moment. */
    pass(seconds: number) {
      clock.jump(seconds * 1000)
      clock.advance(2_500)
    },
    /** What the server was presented last. */
    presented: () => upstream.received('tools/call').at(-1)?.headers.authorization,
    [Symbol.asyncDispose]: () => behind.disposeAsync(),
  }
}
