import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { promisify } from 'node:util'
import type { Secret } from '@toolgate/core'
import { openDatabase } from '@toolgate/db'
import { createDatabase, describeOnOwnPostgres, describeOnPostgres } from '@toolgate/testing/database'
import { afterEach, beforeEach, expect, vi } from 'vitest'
import { verifies } from '../verifies.ts'
import { createPlace, expectRefusal, type Place } from './gateway-process.ts'

const masterKey = 'sk-master-of-this-test'
const secrets = { LITELLM_MASTER_KEY: masterKey, TOOLGATE_ENCRYPTION_KEY: randomBytes(32).toString('base64') }

function generateKey(address: string): Promise<Response> {
  const headers = { authorization: `Bearer ${masterKey}`, 'content-type': 'application/json' }
  return fetch(`${address}/key/generate`, { method: 'POST', headers, body: '{}' })
}

const statusWith = async (address: string, key: string) =>
  (await fetch(`${address}/v1/models`, { headers: { 'x-litellm-api-key': key } })).status

describeOnPostgres('a gateway on real Postgres', (server) => {
  let place: Place
  beforeEach(() => {
    place = createPlace()
  })
  afterEach(() => place[Symbol.dispose]())

  verifies(
    'start:one-command',
    'keeps keys through a restart, and needs the encryption key it began with',
    async () => {
      const url = await createDatabase(await server())
      const environment = { ...secrets, DATABASE_URL: url.reveal() }
      let key: string
      {
        await using first = place.startGateway({ environment })
        const address = await first.listening()
        expect(first.stdout).toContain(`storage    Postgres at ${new URL(url.reveal()).host}/`)
        expect(first.stdout).toContain('admin key  in LITELLM_MASTER_KEY\n')
        const [command = ''] = /^curl .*tools\/list.*$/m.exec(first.stdout) ?? []
        const listed = await promisify(execFile)('sh', ['-c', command], { env: { ...process.env, ...secrets } })
        expect(listed.stdout).toContain('"echo"')
        key = JSON.parse(await (await generateKey(address)).text()).key
        first.signal('SIGTERM')
        const { code, stdout, stderr } = await first.ended
        expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
        for (const secret of [key, ...Object.values(secrets)]) expect(stdout).not.toContain(secret)
        expect(existsSync(place.dataDirectory)).toBe(false)
      }
      const TOOLGATE_ENCRYPTION_KEY = randomBytes(32).toString('base64')
      expect(await place.runGateway({ environment: { ...environment, TOOLGATE_ENCRYPTION_KEY } })).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/^This database was sealed with another encryption key\.[^\n]*\n$/),
      })
      await using second = place.startGateway({ environment })
      expect(await statusWith(await second.listening(), key)).toBe(200)
    },
  )

  verifies('encryption:rotates', 'answers on while the command gives its database another encryption key', async () => {
    const database = { DATABASE_URL: (await createDatabase(await server())).reveal(), LITELLM_MASTER_KEY: masterKey }
    const TOOLGATE_ENCRYPTION_KEY = randomBytes(32).toString('base64')
    const former = { TOOLGATE_ENCRYPTION_KEY_PREVIOUS: secrets.TOOLGATE_ENCRYPTION_KEY }
    const headers = { authorization: `Bearer ${masterKey}`, 'content-type': 'application/json' }
    {
      await using before = place.startGateway({ environment: { ...secrets, ...database } })
      const credentials = { auth_value: 'hush' }
      const body = { server_name: 'kept', url: 'http://kept.test/mcp', auth_type: 'bearer_token', credentials }
      const init = { method: 'POST', headers, body: JSON.stringify(body) }
      expect((await fetch(`${await before.listening()}/v1/mcp/server`, init)).status).toBe(201)
    }
    await using gateway = place.startGateway({ environment: { ...database, ...former, TOOLGATE_ENCRYPTION_KEY } })
    const address = await gateway.listening()
    expect(gateway.stdout).toContain('run \\"keys rotate-encryption\\"')
    const rotation = place.run(['keys', 'rotate-encryption'], { ...database, ...former, TOOLGATE_ENCRYPTION_KEY })
    const ended = new AbortController()
    void rotation.finally(() => ended.abort())
    const statuses = new Set<number>()
    while (!ended.signal.aborted) statuses.add((await generateKey(address)).status)
    expect(await rotation).toMatchObject({
      code: 0,
      stderr: '',
      stdout: expect.stringMatching(
        /^mcp_servers\.sealed_secrets: 1 sealed anew, 1 with the new key\n[\s\S]*\nleft: 0\n/,
      ),
    })
    expect([...statuses]).toEqual([200])
    await using after = place.startGateway({ environment: { ...database, TOOLGATE_ENCRYPTION_KEY } })
    const listed = await fetch(`${await after.listening()}/v1/mcp/server`, { headers })
    expect(await listed.text()).toContain('"kept"')
    for (const { stdout, stderr } of [gateway, after, await rotation]) {
      expect(`${stdout}${stderr}`).not.toMatch(/hush/)
      expect(stdout).not.toContain(TOOLGATE_ENCRYPTION_KEY)
    }
  })

  verifies('start:clear-failures', 'is refused in one line with weak secrets', async () => {
    const DATABASE_URL = (await createDatabase(await server())).reveal()
    const weak = [
      [{ ...secrets, LITELLM_MASTER_KEY: 'sk-1234' }, /^With DATABASE_URL the master key must not be weak/],
      [{ ...secrets, TOOLGATE_ENCRYPTION_KEY: 'A'.repeat(43) }, /^With DATABASE_URL TOOLGATE_ENCRYPTION_KEY must not/],
      [{ LITELLM_MASTER_KEY: masterKey, LITELLM_SALT_KEY: 'a'.repeat(20) }, /^With DATABASE_URL LITELLM_SALT_KEY must/],
    ] as const
    for (const [environment, line] of weak) {
      expectRefusal(await place.runGateway({ environment: { ...environment, DATABASE_URL } }), line)
    }
  })

  verifies(
    'start:one-command',
    'comes up beside another one that starts at the same moment on the empty database',
    async () => {
      const environment = { ...secrets, DATABASE_URL: (await createDatabase(await server())).reveal() }
      const config = place.write('config.yaml', {
        virtual_keys: [{ key: 'sk-of-the-configuration-file', key_alias: 'file' }],
      })
      await using left = place.startGateway({ environment, config })
      await using right = place.startGateway({ environment, config })
      for (const address of await Promise.all([left.listening(), right.listening()])) {
        expect(await statusWith(address, 'sk-of-the-configuration-file')).toBe(200)
        expect(await statusWith(address, 'sk-of-nobody-at-all')).toBe(401)
      }
      expect([left.stderr, right.stderr]).toEqual(['', ''])
    },
  )

  verifies('start:clear-failures', 'says in one line that its user may not create tables', async () => {
    const url = await createDatabase(await server())
    await using database = await openDisposable(url)
    const role = `limited_${randomBytes(4).toString('hex')}`
    await database.db.execute(`create role ${role} login password 'hush'`)
    const limited = new URL(url.reveal())
    limited.username = role
    limited.password = 'hush'
    expect(await place.runGateway({ environment: { ...secrets, DATABASE_URL: limited.href } })).toMatchObject({
      code: 1,
      stderr: `Cannot prepare the database at ${limited.host}${limited.pathname}: its user may not create tables there.\n`,
    })
  })
})

describeOnOwnPostgres('a gateway whose Postgres is gone', (server) => {
  verifies('stop:drains', 'ends in order', async () => {
    using place = createPlace()
    const ownServer = await server()
    const environment = { ...secrets, DATABASE_URL: (await createDatabase(ownServer)).reveal() }
    await using gateway = place.startGateway({ environment })
    const address = await gateway.listening()
    expect((await generateKey(address)).status).toBe(200)
    await ownServer.stop()
    await vi.waitFor(async () => expect((await fetch(`${address}/health/readiness`)).status).toBe(503), {
      timeout: 5_000,
    })
    gateway.signal('SIGTERM')
    expect(await gateway.ended).toMatchObject({ code: 0, stderr: '' })
  })
})

async function openDisposable(url: Secret) {
  const database = await openDatabase({ url })
  return { ...database, [Symbol.asyncDispose]: () => database.close() }
}
