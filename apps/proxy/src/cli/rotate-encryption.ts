/**
 * `keys rotate-encryption`: seals everything that is stored with the first of the configured keys. Gateways that hold the new
 * key and the former one go on meanwhile. It prints counts and ids of rows, never a value.
 */
import { resolve } from 'node:path'
import { rotateEncryption, type RotatedColumn, type Sealer, upstreamAuthMethods } from '@toolgate/auth'
import { randomId, systemClock } from '@toolgate/core'
import type { Database } from '@toolgate/db'
import { transports } from '@toolgate/manager'
import { readEnvironment } from '../config/env.ts'
import { type LoadedConfig, loadConfig } from '../config/load.ts'
import { forgetFormerEncryptionKey, makeNextEncryptionKey, resolveSecrets } from '../generated-secrets.ts'
import { openStore } from '../open-store.ts'
import { sealerOf } from '../sealing.ts'
import type { StartOptions } from './parse-arguments.ts'

/** Returns the exit code: 0 where nothing is left, else 1. Rejects with a `GatewayError` that says in one line what stands in the way. */
export async function rotateStoredSecrets(
  options: Pick<StartOptions, 'config' | 'dataDirectory'>,
  defaultConfigFile: string,
  say: (text: string) => void,
): Promise<0 | 1> {
  const environment = readEnvironment()
  const configFile = options.config ?? environment.configFile ?? defaultConfigFile
  const loaded = loadConfig(configFile, { environment, keys: { transports, authMethods: upstreamAuthMethods } })
  const dataDirectory = resolve(options.dataDirectory ?? loaded.environment.dataDirectory ?? '.toolgate')
  const isKept = loaded.environment.encryptionKey === undefined && loaded.environment.saltKey === undefined
  const isOwn = loaded.config.databaseUrl === undefined && isKept
  // Inside, where no gateway runs on this folder that would miss the new key.
  const { database, prepared: sealer } = await openStore(loaded, dataDirectory, async () => {
    if (isOwn) makeNextEncryptionKey(dataDirectory)
    return sealerFor(loaded, dataDirectory, configFile)
  })
  try {
    const columns = await rotate(database, sealer)
    for (const column of columns) say(`${describe(column)}\n`)
    const left = columns.reduce((sum, column) => sum + column.left, 0)
    if (isOwn && left === 0) forgetFormerEncryptionKey(dataDirectory)
    say(`left: ${left}\n${adviceFor(left, sealer)}`)
    return left === 0 && columns.every(({ damaged }) => damaged === 0) ? 0 : 1
  } finally {
    await database.close()
  }
}

function rotate(database: Database, sealer: Sealer): Promise<readonly RotatedColumn[]> {
  const { signal } = new AbortController()
  const parts = { database, sealer, clock: systemClock, newId: randomId, signal }
  // An open data folder is nobody else's: there is no gateway that has to hear of it.
  return rotateEncryption(database.kind === 'postgres' ? parts : { ...parts, heardAfterMs: 0 })
}

function sealerFor({ config, environment }: LoadedConfig, dataDirectory: string, configFile: string): Sealer {
  const secrets = resolveSecrets({
    dataDirectory,
    configFile,
    masterKeyVariable: environment.masterKey,
    masterKey: config.masterKey,
    encryptionKey: environment.encryptionKey,
    saltKey: environment.saltKey,
    remoteDatabase: config.databaseUrl !== undefined,
  })
  return sealerOf(environment, secrets)
}

function describe({ table, column, rotated, current, left, damaged, examples }: RotatedColumn): string {
  const counts = `${table}.${column}: ${rotated} sealed anew, ${current} with the new key`
  if (left + damaged === 0) return counts
  const more = left + damaged > examples.length ? ', …' : ''
  return `${counts}, ${left} left, ${damaged} damaged (rows ${examples.join(', ')}${more})`
}

function adviceFor(left: number, { keyIds }: Sealer): string {
  if (left > 0)
    return 'Give the keys that these are sealed with in TOOLGATE_ENCRYPTION_KEY_PREVIOUS and run it again.\n'
  return keyIds.length > 1
    ? 'After ten minutes the former key can go: pages and questions that are open last so long. Clients that hold tokens of servers ' +
        '(oauth_delegate and the like) sign in again then, unless they have refreshed since; after 180 days none is left.\n'
    : ''
}
