import { describe, expect, vi } from 'vitest'
import { verifies } from '../verifies.ts'
import { startUserTokenWorld } from './user-token-world.ts'

/** A world whose authorization server takes tokens back. */
async function startWorld() {
  const world = await startUserTokenWorld()
  const { there, connect } = world
  const place = '/.well-known/oauth-authorization-server'
  there.documents.set(place, { ...there.documents.get(place), revocation_endpoint: `${there.origin}/revoke` })
  await connect()
  const forget = () =>
    world.here.json('/v1/mcp/server/repo/oauth-user-credential', { key: world.key, method: 'DELETE' })
  const takenBack = () => there.requests.flatMap(({ form }) => (form.has('token') ? [Object.fromEntries(form)] : []))
  return { ...world, forget, takenBack }
}

describe('an account that its user takes back', () => {
  verifies('oauth:user-tokens', 'ends at its server as well, as whoever it was got by', async () => {
    await using world = await startWorld()
    world.answer({ status: 200, body: '' })
    expect(await world.forget()).toMatchObject({ has_credential: false })
    const asked = {
      token: 'refresh',
      token_type_hint: 'refresh_token',
      client_id: 'toolgate',
      client_secret: 'secret-one',
    }
    await vi.waitFor(() => expect(world.takenBack()).toEqual([asked]), 20_000)
    expect((await world.call()).status).toBe(401)
    // There is nothing to take back any more.
    await world.forget()
    expect(world.takenBack()).toHaveLength(1)
  })

  verifies('oauth:user-tokens', 'is gone also where its server cannot be told, which the log says', async () => {
    await using world = await startWorld()
    world.answer({ status: 503, body: 'words-of-theirs refresh' })
    expect(await world.forget()).toMatchObject({ has_credential: false })
    expect((await world.call()).status).toBe(401)
    const said = () => world.log.lines.filter((line) => line.includes('could not be ended at its server'))
    await vi.waitFor(() => expect(said()).toEqual([expect.stringContaining('"server":"repo"')]), 20_000)
    expect(said().join()).not.toMatch(/words-of-theirs|secret-one/)
  })

  verifies('oauth:user-tokens', 'is shown to nothing else that the server has become', async () => {
    await using world = await startWorld()
    const { here, configWith } = world
    const { repo } = configWith('secret-one').mcp_servers
    await here.reload({ mcp_servers: { repo: { ...repo, client_id: 'another' } } })
    await world.forget()
    expect(await world.status()).toMatchObject({ has_credential: false })
    await world.connect()
    await world.forget()
    // What was asked for first would have come first.
    await vi.waitFor(() => expect(world.takenBack()).not.toEqual([]), 20_000)
    expect(world.takenBack()).toMatchObject([{ client_id: 'another' }])
  })
})
