import { once } from 'node:events'
import { Server } from 'node:http'
import { join, resolve } from 'node:path'
import { createAdaptorServer } from '@hono/node-server'
import {
  createSealer,
  deriveSealingKey,
  parseEncryptionKey,
  upstreamAuthMethods,
  verifySealingKey,
} from '@toolgate/auth'
import { GatewayError, type Logger } from '@toolgate/core'
import { type Database, databaseErrorCode, migrate, openDatabase } from '@toolgate/db'
import { transports } from '@toolgate/manager'
import { createApp } from './app.ts'
import { bannerFor } from './banner.ts'
import type { StartOptions } from './cli/parse-arguments.ts'
import { readEnvironment } from './config/env.ts'
import { type LoadedConfig, loadConfig } from './config/load.ts'
import { type GatewaySecrets, resolveSecrets, type SecretSources } from './generated-secrets.ts'
import { createLogger } from './log.ts'
import { createServices, type Services, type ServicesOptions } from './services.ts'

/** Milliseconds that requests under way get to finish after a stop was asked for. */
const drainTimeoutMs = 30_000

export interface RunningGateway {
  readonly address: string
  /** For a person's eyes: where it listens, where the key is, what to try. */
  readonly banner: string
  readonly log: Logger
  /** Readiness turns first, requests finish within a bound, upstreams close, the ledger is written. */
  stop(): Promise<void>
}

/** From the command line to a listening gateway. Rejects with a `GatewayError` that says in one line what stands in the way. */
export async function startGateway(options: StartOptions, defaultConfigFile: string): Promise<RunningGateway> {
  const environment = readEnvironment()
  const configFile = options.config ?? environment.configFile ?? defaultConfigFile
  const loaded = loadConfig(configFile, {
    environment,
    keys: { transports, authMethods: upstreamAuthMethods },
  })
  const log = createLogger(loaded.environment.logLevel)
  for (const warning of loaded.warnings) log.warn({ config: loaded.explain(warning) }, 'configuration warning')

  const dataDirectory = resolve(options.dataDirectory ?? loaded.environment.dataDirectory ?? '.toolgate')
  const host = options.host ?? loaded.environment.host
  const secrets = secretsFor(loaded, { dataDirectory, configFile, masterKeyVariable: environment.masterKey })
  const database = await openStore(loaded, { dataDirectory, secrets })
  const services = await compose({ loaded, masterKey: secrets.masterKey, database, log })
  const server = await listen(services, { port: options.port ?? loaded.environment.port, host })
  services.lifecycle.enter('ready')
  const address = `http://${placeOf(host, portOf(server))}`
  log.info({ address, storage: database.kind }, 'listening')
  return {
    address,
    banner: bannerFor({ address, secrets, database, config: loaded.config }),
    log,
    stop: () => stop(server, services),
  }
}

function secretsFor(
  { config, environment }: LoadedConfig,
  given: Pick<SecretSources, 'dataDirectory' | 'configFile' | 'masterKeyVariable'>,
): GatewaySecrets {
  return resolveSecrets({
    ...given,
    masterKey: config.masterKey,
    encryptionKey: environment.encryptionKey,
    saltKey: environment.saltKey,
    remoteDatabase: config.databaseUrl !== undefined,
  })
}

/** Opens and migrates the store, and makes sure that what is sealed in it can be opened again. */
async function openStore(
  { config, environment }: LoadedConfig,
  { dataDirectory, secrets }: { dataDirectory: string; secrets: GatewaySecrets },
): Promise<Database> {
  const database = await openDatabase(
    config.databaseUrl === undefined ? { dataDir: join(dataDirectory, 'database') } : { url: config.databaseUrl },
  )
  try {
    await migrate(database)
    const { saltKey } = environment
    const key = secrets.encryptionKey ? parseEncryptionKey(secrets.encryptionKey) : saltKey && deriveSealingKey(saltKey)
    if (key !== undefined) await verifySealingKey(database.db, createSealer({ keys: [key] }))
    return database
  } catch (error) {
    await database.close()
    throw cannotPrepare(database, error)
  }
}

function cannotPrepare({ address }: Database, cause: unknown): unknown {
  const code = databaseErrorCode(cause)
  if (cause instanceof GatewayError || code === undefined) return cause
  const reason = code === '42501' ? 'its user may not create tables there' : `it answered with ${code}`
  return new GatewayError('STORE_UNAVAILABLE', `Cannot prepare the database at ${address}: ${reason}.`, { cause })
}

async function compose(options: ServicesOptions): Promise<Services> {
  try {
    return await createServices(options)
  } catch (error) {
    // Only complete services close it themselves.
    await options.database.close()
    throw error
  }
}

/** Listens, or says in one line why not. */
async function listen(services: Services, { port, host }: { port: number; host: string }): Promise<Server> {
  const server = createAdaptorServer({ fetch: createApp(services).fetch })
  if (!(server instanceof Server)) throw new TypeError('the adaptor made no HTTP/1 server')
  try {
    server.listen(port, host)
    await once(server, 'listening')
  } catch (error) {
    await services.close()
    throw cannotListen(error, placeOf(host, port))
  }
  // A connection that could not be accepted, for want of file descriptors say, must not end those that were.
  server.on('error', (error) => services.log.error({ err: error }, 'a connection could not be accepted'))
  return server
}

function cannotListen(error: unknown, place: string): GatewayError {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const reason =
    code === 'EADDRINUSE'
      ? 'the port is taken. Stop the other process or choose another with --port'
      : `the system says ${String(code ?? error)}`
  return new GatewayError('CONFIGURATION_INVALID', `Cannot listen on ${place}: ${reason}.`, { cause: error })
}

function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

function placeOf(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

/**
 * The order in which a load balancer and clients lose nothing. While old work finishes the port stays open: readiness says
 * 503 and new work is told to go elsewhere. Then nobody is let in any more, and what is behind is closed.
 */
async function stop(server: Server, services: Services): Promise<void> {
  const { lifecycle, log } = services
  lifecycle.enter('draining')
  if (!(await lifecycle.settle(drainTimeoutMs))) {
    log.warn({ inFlight: lifecycle.inFlight }, 'requests were still under way at the end of the drain')
  }
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await closed
  await services.close()
  log.info({}, 'stopped')
}
