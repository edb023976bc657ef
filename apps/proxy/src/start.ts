import { once } from 'node:events'
import { Server } from 'node:http'
import { resolve } from 'node:path'
import { createAdaptorServer } from '@hono/node-server'
import { upstreamAuthMethods, verifySealingKey } from '@toolgate/auth'
import { GatewayError, type Logger } from '@toolgate/core'
import { transports } from '@toolgate/manager'
import { createApp } from './app.ts'
import { bannerFor } from './banner.ts'
import type { StartOptions } from './cli/parse-arguments.ts'
import { readEnvironment } from './config/env.ts'
import { type LoadedConfig, loadConfig } from './config/load.ts'
import { IdentifiedResponse } from './identified-response.ts'
import { type GatewaySecrets, resolveSecrets, type SecretSources } from './generated-secrets.ts'
import { createLogger } from './log.ts'
import { openStore } from './open-store.ts'
import { fingerprintOf, watchConfig } from './reload/config-watch.ts'
import type { ReloadTrigger } from './reload/reload.ts'
import { sealerOf } from './sealing.ts'
import { createServices, type Services, type ServicesOptions } from './services.ts'

/** Milliseconds that requests under way get to finish after a stop was asked for. */
const drainTimeoutMs = 30_000

export interface RunningGateway {
  readonly address: string
  /** For a person's eyes: where it listens, where the key is, what to try. */
  readonly banner: string
  readonly log: Logger
  /** Puts what changed in the configuration file in force; the log says what came of it. Never rejects. */
  reload(trigger: ReloadTrigger): Promise<void>
  /** Logs and counts a promise that failed with nobody to handle it. */
  reportUnhandledRejection(reason: unknown): void
  /**
   * Readiness turns first, requests finish within `drainMs`, upstreams close, the ledger is written. Once, however often it
   * is asked.
   */
  stop(drainMs?: number): Promise<void>
}

/** From the command line to a listening gateway. Rejects with a `GatewayError` that says in one line what stands in the way. */
export async function startGateway(options: StartOptions, defaultConfigFile: string): Promise<RunningGateway> {
  const environment = readEnvironment()
  const configFile = options.config ?? environment.configFile ?? defaultConfigFile
  // Looked at before it is read, so that no change in between is missed.
  const seen = await fingerprintOf(configFile)
  const readConfig = () =>
    asAsked(loadConfig(configFile, { environment, keys: { transports, authMethods: upstreamAuthMethods } }), options)
  const loaded = readConfig()
  const log = createLogger(loaded.environment.logLevel)
  for (const warning of loaded.warnings) log.warn({ config: loaded.explain(warning) }, 'configuration warning')

  const { host, port } = loaded.environment
  const dataDirectory = resolve(loaded.environment.dataDirectory ?? '.toolgate')
  const secrets = secretsFor(loaded, { dataDirectory, configFile, masterKeyVariable: environment.masterKey })
  const sealer = sealerOf(loaded.environment, secrets)
  const { database } = await openStore(loaded, dataDirectory, ({ db }) => verifySealingKey(db, sealer))
  if (sealer.keyId !== sealer.wantedKeyId)
    log.warn({}, 'stored secrets are sealed with the former encryption key: run "keys rotate-encryption"')
  const services = await compose({
    loaded,
    readAgain: readConfig,
    masterKey: secrets.masterKey,
    sealer,
    database,
    log,
    setLogLevel: (level) => {
      log.level = level
    },
  })
  const server = await listen(services, { port, host })
  services.lifecycle.enter('ready')
  const stopWatching = watchConfig({
    file: configFile,
    seen,
    clock: services.clock,
    enabled: () => options.watchConfig || services.live.current.config.configWatch,
    changed: () => dealtWith(services.reload.run('watch')),
  })
  const address = `http://${placeOf(host, portOf(server))}`
  log.info({ address, storage: database.kind }, 'listening')
  let stopped: Promise<void> | undefined
  return {
    address,
    banner: bannerFor({ address, secrets, database, config: loaded.config }),
    log,
    reload: async (trigger) => void (await dealtWith(services.reload.run(trigger))),
    reportUnhandledRejection(reason) {
      services.metrics.countUnhandledRejection()
      log.error({ err: reason }, 'a promise failed and nobody handled it: this is a fault of toolgate')
    },
    stop(drainMs = drainTimeoutMs) {
      stopWatching()
      stopped ??= stop(server, services, drainMs)
      return stopped
    },
  }
}

/** What the command line says counts for more than any environment, for whoever asks how the gateway was started. */
function asAsked(loaded: LoadedConfig, options: StartOptions): LoadedConfig {
  const { environment } = loaded
  const { host = environment.host, port = environment.port, dataDirectory = environment.dataDirectory } = options
  return { ...loaded, environment: { ...environment, host, port, dataDirectory } }
}

/** Whether trying again would change nothing. Why a reload failed is in the log already. */
async function dealtWith(reload: Promise<unknown>): Promise<boolean> {
  try {
    await reload
    return true
  } catch (error) {
    return !(error instanceof GatewayError && error.retryable)
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
  const { fetch } = createApp(services)
  const server = createAdaptorServer({ fetch, serverOptions: { ServerResponse: IdentifiedResponse } })
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
async function stop(server: Server, services: Services, drainMs: number): Promise<void> {
  const { lifecycle, log } = services
  lifecycle.enter('draining')
  if (!(await lifecycle.settle(drainMs))) {
    log.warn({ inFlight: lifecycle.inFlight }, 'requests were still under way at the end of the drain')
  }
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await closed
  await services.close()
  log.info({}, 'stopped')
}
