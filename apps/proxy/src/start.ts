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
import { type Database, migrate, openDatabase } from '@toolgate/db'
import { transports } from '@toolgate/manager'
import { createApp } from './app.ts'
import { bannerFor } from './banner.ts'
import type { StartOptions } from './cli/parse-arguments.ts'
import { readEnvironment } from './config/env.ts'
import { type LoadedConfig, loadConfig } from './config/load.ts'
import { type GatewaySecrets, resolveSecrets } from './generated-secrets.ts'
import { createLogger } from './log.ts'
import { createServices, type Services } from './services.ts'

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
  const loaded = loadConfig(options.config ?? environment.configFile ?? defaultConfigFile, {
    environment,
    keys: { transports, authMethods: upstreamAuthMethods },
  })
  const log = createLogger(loaded.environment.logLevel)
  for (const warning of loaded.warnings) log.warn({ config: loaded.explain(warning) }, 'configuration warning')

  const dataDirectory = resolve(options.dataDirectory ?? loaded.environment.dataDirectory ?? '.toolgate')
  const secrets = secretsFor(loaded, dataDirectory)
  const database = await openStore(loaded, { dataDirectory, secrets })
  const services = await createServices({ loaded, masterKey: secrets.masterKey, database, log })
  const server = await listen(services, {
    port: options.port ?? loaded.environment.port,
    host: options.host ?? loaded.environment.host,
  })
  services.lifecycle.enter('ready')
  const address = addressOf(server, options.host ?? loaded.environment.host)
  log.info({ address, storage: database.kind }, 'listening')
  return {
    address,
    banner: bannerFor({ address, secrets, database, config: loaded.config }),
    log,
    stop: () => stop(server, services),
  }
}

function secretsFor({ config, environment }: LoadedConfig, dataDirectory: string): GatewaySecrets {
  return resolveSecrets({
    masterKey: config.masterKey,
    encryptionKey: environment.encryptionKey,
    saltKey: environment.saltKey,
    remoteDatabase: config.databaseUrl !== undefined,
    dataDirectory,
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
    throw error
  }
}

/** Listens, or says in one line why not. */
async function listen(services: Services, { port, host }: { port: number; host: string }): Promise<Server> {
  const server = createAdaptorServer({ fetch: createApp(services).fetch })
  if (!(server instanceof Server)) throw new TypeError('the adaptor made no HTTP/1 server')
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen(port, host, resolve)
  try {
    await promise
  } catch (error) {
    await services.close()
    throw cannotListen(error, `${host}:${port}`)
  }
  return server
}

function cannotListen(error: unknown, place: string): GatewayError {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const reason =
    code === 'EADDRINUSE'
      ? 'the port is taken. Stop the other process or choose another with --port'
      : `the system says ${String(code ?? error)}`
  return new GatewayError('INVALID_REQUEST', `Cannot listen on ${place}: ${reason}.`, { cause: error })
}

function addressOf(server: Server, host: string): string {
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** The order in which a load balancer and clients lose nothing: no new work, finish the old, close what is behind. */
async function stop(server: Server, services: Services): Promise<void> {
  const { lifecycle, log } = services
  lifecycle.enter('draining')
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeIdleConnections()
  if (!(await lifecycle.settle(drainTimeoutMs))) {
    log.warn({ inFlight: lifecycle.inFlight }, 'requests were still under way at the end of the drain')
  }
  server.closeAllConnections()
  await closed
  await services.close()
  log.info({}, 'stopped')
}
