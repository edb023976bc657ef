import { createOutbound, type Outbound, type OutboundRequest, Secret } from '@toolgate/core'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { exportPKCS8, generateKeyPair, jwtVerify } from 'jose'
import { describe, expect, it } from 'vitest'
import { createGoogleToken } from './google-token.ts'

const never = new AbortController().signal

/** Google, which answers with a token of its own for each request. */
function google(status = 200) {
  const asked: OutboundRequest[] = []
  const outbound: Outbound = {
    ...createOutbound(),
    async request(request) {
      asked.push(request)
      const answer = JSON.stringify({ access_token: `token-${asked.length}`, expires_in: 3_600 })
      return { status, header: () => undefined, body: noBytes(), text: async () => answer, discard: () => {} }
    },
  }
  return { asked, outbound }
}

async function* noBytes(): AsyncGenerator<Uint8Array> {}

const user = { type: 'authorized_user', client_id: 'i', client_secret: 's', refresh_token: 'r' }
const secret = (credentials: object) => new Secret(JSON.stringify(credentials))

describe('an access token of Google', () => {
  it('is asked for with what a service account signs', async () => {
    const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true })
    const account = { type: 'service_account', client_email: 'a@p.example', private_key: await exportPKCS8(privateKey) }
    const { asked, outbound } = google()
    const clock = fakeClock()
    expect(await createGoogleToken({ credentials: secret(account), outbound, clock })(never)).toBe('token-1')
    expect(asked[0]?.url).toBe('https://oauth2.googleapis.com/token')
    const form = new URLSearchParams(String(asked[0]?.body))
    const currentDate = new Date(clock.now())
    const { payload } = await jwtVerify(form.get('assertion') ?? '', publicKey, { currentDate })
    expect(payload).toMatchObject({ iss: 'a@p.example', aud: 'https://oauth2.googleapis.com/token' })
  })

  it('is kept for everybody until it ends, and asked for once by all who wait', async () => {
    const { asked, outbound } = google()
    const clock = fakeClock()
    const token = createGoogleToken({ credentials: secret(user), outbound, clock })
    expect(await Promise.all([token(never), token(never)])).toEqual(['token-1', 'token-1'])
    clock.advance(3_500_000)
    expect(await token(never)).toBe('token-1')
    clock.advance(60_000)
    expect(await token(never)).toBe('token-2')
    expect(asked).toHaveLength(2)
  })

  it('is the machine’s where no credentials are given', async () => {
    const { asked, outbound } = google()
    await createGoogleToken({ credentials: undefined, outbound, clock: fakeClock() })(never)
    expect(asked[0]).toMatchObject({ method: 'GET', headers: { 'metadata-flavor': 'Google' } })
    expect(asked[0]?.url).toMatch(/^http:\/\/metadata\.google\.internal\//)
  })

  it('that is refused is an error, and asked for again the next time', async () => {
    const { asked, outbound } = google(403)
    const token = createGoogleToken({ credentials: secret(user), outbound, clock: fakeClock() })
    await expect(token(never)).rejects.toMatchObject({ code: 'PROVIDER_UNREACHABLE' })
    await expect(token(never)).rejects.toMatchObject({ code: 'PROVIDER_UNREACHABLE' })
    expect(asked).toHaveLength(2)
  })
})
