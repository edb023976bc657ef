import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '@toolgate/testing/postgres-server'
import { afterEach, beforeEach, describe } from 'vitest'
import { verifies } from '../verifies.ts'
import { createPlace, expectRefusal, type Place } from './gateway-process.ts'

const password = 'hush-hush-canary'
const encryptionKey = Buffer.from(Array.from({ length: 32 }, (_, index) => index)).toString('base64')

describe('a start that cannot succeed says why in one line:', () => {
  let place: Place
  beforeEach(() => {
    place = createPlace()
  })
  afterEach(() => place[Symbol.dispose]())

  verifies('start:clear-failures', 'a file with a syntax error', async () => {
    const config = place.write('broken.yaml', 'model_list:\n  - {model_name: a\nmcp_servers: {}\n')
    expectRefusal(await place.runGateway({ config }), /^broken\.yaml:\d+:\d+ .*(bracket|indentation|style).*\.$/)
  })

  verifies('start:clear-failures', 'every misspelt key and every missing variable of a file, a line each', async () => {
    const config = place.write('config.yaml', {
      general_settings: { master_kee: `sk-${password}` },
      model_list: [{ model_name: 'a', litellm_params: { model: 'openai/a', api_key: 'os.environ/NO_SUCH_VARIABLE' } }],
    })
    expectRefusal(
      await place.runGateway({ config }),
      /^config\.yaml:1:\d+ model_list\[0\]\.litellm_params\.api_key .*NO_SUCH_VARIABLE.*\.$/,
      /^config\.yaml:1:\d+ general_settings\.master_kee is not a known key; did you mean master_key\?$/,
    )
  })

  verifies('start:clear-failures', 'a file that is not there, and one that is a folder', async () => {
    expectRefusal(await place.runGateway({ config: 'nowhere.yaml' }), 'nowhere.yaml: no such file.')
    expectRefusal(await place.runGateway({ config: '.' }), '.: is a directory.')
  })

  verifies('start:clear-failures', 'variables that are no what they must be, a line each', async () => {
    expectRefusal(
      await place.runGateway({ environment: { HOST: '', LOG_LEVEL: 'loud', TOOLGATE_ENCRYPTION_KEY: password } }),
      'Environment variable LOG_LEVEL must be one of trace, debug, info, warn, error, fatal, silent.',
      /^Environment variable TOOLGATE_ENCRYPTION_KEY must be 32 bytes/,
    )
  })

  verifies('start:clear-failures', 'a database that is not reachable, or no address at all', async () => {
    const port = await freePort()
    const environment = { LITELLM_MASTER_KEY: 'sk-master-of-this-test', TOOLGATE_ENCRYPTION_KEY: encryptionKey }
    const nobody = { ...environment, DATABASE_URL: `postgres://gate:${password}@127.0.0.1:${port}/gate` }
    expectRefusal(
      await place.runGateway({ environment: nobody }),
      `Cannot open the database at 127.0.0.1:${port}/gate: nothing listens there. Is Postgres running, and is DATABASE_URL right?`,
    )
    const nonsense = { ...environment, DATABASE_URL: password }
    expectRefusal(
      await place.runGateway({ environment: nonsense }),
      /^Environment variable DATABASE_URL must be an address of the form/,
    )
  })

  verifies('start:clear-failures', 'a database of its own without the secrets that others must know', async () => {
    const DATABASE_URL = 'postgres://gate@127.0.0.1:1/gate'
    expectRefusal(
      await place.runGateway({ environment: { DATABASE_URL } }),
      'With DATABASE_URL the master key must be given: set LITELLM_MASTER_KEY or general_settings.master_key.',
    )
    expectRefusal(
      await place.runGateway({ environment: { DATABASE_URL, LITELLM_MASTER_KEY: 'sk-1' } }),
      /^With DATABASE_URL the encryption key must be given: set TOOLGATE_ENCRYPTION_KEY/,
    )
  })

  verifies('start:clear-failures', 'key files that are empty, damaged or unreadable', async () => {
    mkdirSync(place.dataDirectory)
    const [masterKey, sealingKey] = ['master-key', 'encryption-key'].map((name) => join(place.dataDirectory, name))
    if (masterKey === undefined || sealingKey === undefined) throw new Error('unreachable')
    writeFileSync(masterKey, '\n')
    expectRefusal(await place.runGateway(), /^The key file .*\/data\/master-key is empty/)
    writeFileSync(masterKey, 'sk-my-own\n')
    writeFileSync(sealingKey, `${password}\n`)
    expectRefusal(await place.runGateway(), /^The key file .*\/data\/encryption-key /)
  })

  verifies('start:clear-failures', 'a data folder that can be none', async () => {
    const file = place.write('file', '')
    const given = { LITELLM_MASTER_KEY: 'sk-1', TOOLGATE_ENCRYPTION_KEY: encryptionKey }
    const argv = ['--data-dir', join(file, 'data')]
    expectRefusal(await place.runGateway({ argv }), /^Cannot .*\/file\/data.*: .*\.$/)
    expectRefusal(await place.runGateway({ argv, environment: given }), /^Cannot .*\/file\/data.*: .*\.$/)
  })
})
