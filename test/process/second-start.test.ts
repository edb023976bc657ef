import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verifies } from '../verifies.ts'
import { createPlace, expectRefusal, type Place } from './gateway-process.ts'

const encryptionKey = Buffer.alloc(32, 7).toString('base64')

/** One folder for all: each start finds what the ones before it left. */
describe('a start on a folder that is in use already', () => {
  let place: Place
  beforeAll(() => {
    place = createPlace()
  })
  afterAll(() => place[Symbol.dispose]())
  const lock = () => join(place.dataDirectory, 'database/toolgate.lock')

  verifies('start:clear-failures', 'is refused in one line that names the process', async () => {
    await using first = place.startGateway()
    await first.listening()
    expectRefusal(
      await place.runGateway(),
      `The data folder ${place.dataDirectory}/database is in use by process ${first.pid}. Stop it, or start with another folder (--data-dir).`,
    )
    first.signal('SIGTERM')
    expect(await first.ended).toMatchObject({ code: 0 })
  })

  verifies('start:clear-failures', 'is refused in one line with another encryption key', async () => {
    expectRefusal(
      await place.runGateway({ environment: { TOOLGATE_ENCRYPTION_KEY: encryptionKey } }),
      /^This database was sealed with another encryption key\./,
    )
    expect(existsSync(lock())).toBe(false)
  })

  verifies('encryption:rotates', 'takes another encryption key of its own, while no gateway runs', async () => {
    const rotate = () => place.run(['keys', 'rotate-encryption', '--data-dir', place.dataDirectory])
    const keys = () => readdirSync(place.dataDirectory).filter((name) => name.startsWith('encryption-key'))
    const before = readFileSync(join(place.dataDirectory, 'encryption-key'), 'utf8')
    {
      await using running = place.startGateway()
      await running.listening()
      expectRefusal(await rotate(), /is in use by process/)
      expect(keys()).toEqual(['encryption-key'])
    }
    expect(await rotate()).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('\nleft: 0\n') })
    expect(keys()).toEqual(['encryption-key'])
    expect(readFileSync(join(place.dataDirectory, 'encryption-key'), 'utf8')).not.toBe(before)
    await using after = place.startGateway()
    await after.listening()
    after.signal('SIGTERM')
    expect(await after.ended).toMatchObject({ code: 0 })
  })

  verifies(
    'start:clear-failures',
    'is refused at the line of a key that could not be used, before anything is opened',
    async () => {
      const config = place.write('config.yaml', { virtual_keys: [{ key: 'sk-hush' }] })
      expectRefusal(
        await place.runGateway({ config }),
        /^config\.yaml:\d+:\d+ virtual_keys\[0\]\.key is refused: a key of your own must start with "sk-"/,
      )
      expect(existsSync(lock())).toBe(false)
    },
  )

  verifies('start:clear-failures', 'is refused in one line where its port is taken', async () => {
    await using holder = await holdPort()
    expectRefusal(
      await place.runGateway({ port: holder.port }),
      `Cannot listen on 127.0.0.1:${holder.port}: the port is taken. Stop the other process or choose another with --port.`,
    )
    expect(existsSync(lock())).toBe(false)
  })

  it('works after all these, on IPv6 where the machine has it', async () => {
    const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'))
    await using last = place.startGateway({ argv: ['--host', hasIpv6 ? '::1' : '127.0.0.1'] })
    const address = await last.listening()
    expect(address).toMatch(hasIpv6 ? /^http:\/\/\[::1\]:\d+$/ : /^http:\/\/127/)
    expect((await fetch(`${address}/health/readiness`)).status).toBe(200)
  })
})

async function holdPort(): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new TypeError('not listening on a port')
  return {
    port: address.port,
    async [Symbol.asyncDispose]() {
      server.close()
      await once(server, 'close')
    },
  }
}
