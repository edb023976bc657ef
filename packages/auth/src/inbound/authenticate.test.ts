import { GatewayError, Secret, silentLogger } from '@toolgate/core'
import { openTestDatabase } from '@toolgate/testing/database'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createKeyCache } from '../keys/key-cache.ts'
import { hashKey } from '../keys/key-format.ts'
import type { KeyStore } from '../keys/key-store.ts'
import { createPostgresKeyStore } from '../keys/key-store.postgres.ts'
import { createVirtualKeys } from '../keys/virtual-keys.ts'
import { createAuthenticator } from './authenticate.ts'
import { createKeyAdmission } from './key-admission.ts'

const masterKey = new Secret('sk-master-0123456789')
const clock = fakeClock()
const signal = new AbortController().signal

let close: () => Promise<void>
let store: KeyStore
beforeAll(async () => {
  const database = await openTestDatabase()
  store = createPostgresKeyStore(database)
  close = database.close
})
afterAll(() => close())

const authenticatorOn = (used: Pick<KeyStore, 'find' | 'changedSince'>) => {
  const cache = createKeyCache({ store: used, log: silentLogger, clock })
  const access = { defaultAccess: () => 'none' as const }
  return createAuthenticator({ masterKey, keys: createKeyAdmission({ keys: cache, clock, ...access }), ...access })
}
const authenticate = (key: string | undefined) =>
  authenticatorOn(store)(key === undefined ? undefined : new Secret(key), signal)

const generate = async (body: object) => {
  const { key } = await createVirtualKeys({ store, log: silentLogger, clock }).generate(body, 'admin')
  return key.reveal()
}

describe('the master key', () => {
  it('is an admin who reaches everything, bound to no user and named by an alias', async () => {
    const principal = await authenticate(masterKey.reveal())
    expect(principal).toMatchObject({ admin: true, id: 'default_user_id', keyHash: 'master_key', autoTools: false })
    expect(principal.userId).toBeUndefined()
    expect(principal.grants).toMatchObject({ allServers: true, noServers: false })
    expect(JSON.stringify(principal)).not.toContain(hashKey(masterKey))
  })

  it('needs no store', async () => {
    const down = {
      find: () => Promise.reject(new Error('down')),
      changedSince: () => Promise.reject(new Error('down')),
    }
    await expect(authenticatorOn(down)(masterKey, signal)).resolves.toMatchObject({ admin: true })
  })
})

describe('a virtual key', () => {
  it('is its user with its grants, and its own hash where it has no user', async () => {
    const alone = await generate({})
    const adas = await generate({
      user_id: 'ada',
      team_id: 'engines',
      key_alias: 'adas',
      auto_tools: true,
      object_permission: { mcp_servers: ['git'] },
    })
    const hash = hashKey(new Secret(alone))
    await expect(authenticate(alone)).resolves.toMatchObject({
      admin: false,
      id: hash,
      keyHash: hash,
      autoTools: false,
    })
    await expect(authenticate(adas)).resolves.toMatchObject({
      id: 'ada',
      userId: 'ada',
      teamId: 'engines',
      keyAlias: 'adas',
      autoTools: true,
      grants: { allServers: false, servers: new Set(['git']) },
    })
  })

  it('ends with the millisecond it expires, although it is cached', async () => {
    const check = authenticatorOn(store)
    const key = new Secret(await generate({ duration: '30s' }))
    await check(key, signal)
    clock.advance(29_999)
    await check(key, signal)
    clock.advance(1)
    await expect(check(key, signal)).rejects.toMatchObject({
      code: 'KEY_EXPIRED',
      message: expect.stringMatching(/^Authentication Error - Expired Key\. Key Expiry time .+ and current time .+$/),
    })
  })

  it('that is blocked says how it is unblocked', async () => {
    await expect(authenticate(await generate({ blocked: true }))).rejects.toMatchObject({
      code: 'KEY_BLOCKED',
      message: "Key is blocked. Update via `/key/unblock` if you're an admin.",
    })
  })
})

describe('what is not a key', () => {
  it('is missing', async () => {
    await expect(authenticate(undefined)).rejects.toMatchObject({
      code: 'CREDENTIAL_MISSING',
      message: 'Authentication Error, No api key passed in.',
    })
  })

  it("is answered in LiteLLM's words, by hash and last characters only", async () => {
    const key = 'sk-unknown-0123456789-wxyz'
    const hash = hashKey(new Secret(key))
    await expect(authenticate(key)).rejects.toMatchObject({
      code: 'CREDENTIAL_INVALID',
      message: `Authentication Error, Invalid proxy server token passed. Received API Key = sk-...wxyz, Key Hash (Token) =${hash}. Unable to find token in cache or \`LiteLLM_VerificationTokenTable\``,
    })
  })

  it('may be the hash of a key: it opens nothing', async () => {
    const hash = hashKey(new Secret(await generate({})))
    await expect(authenticate(hash)).rejects.toMatchObject({ code: 'CREDENTIAL_INVALID' })
  })

  it.each(['sk-with space', 'sk-\u0000', 'sk-ümlaut', `sk-${'x'.repeat(8190)}`])(
    'is refused without a look-up or an echo where it is malformed or too long',
    async (text) => {
      const find = () => Promise.reject(new Error('asked'))
      const refused = authenticatorOn({ find, changedSince: store.changedSince })(new Secret(text), signal)
      await expect(refused).rejects.toMatchObject({
        code: 'CREDENTIAL_INVALID',
        message: 'Authentication Error, the api key passed in is malformed.',
      })
    },
  )

  it('is not called invalid while the store cannot be asked', async () => {
    const find = () => Promise.reject(new GatewayError('STORE_UNAVAILABLE', 'down'))
    const asked = authenticatorOn({ find, changedSince: store.changedSince })(new Secret('sk-0123456789abcdef'), signal)
    await expect(asked).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  })
})
