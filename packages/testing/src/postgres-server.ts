/**
 * A real Postgres for tests: the one `TEST_DATABASE_URL` names (a user that may create databases), else a throw-away
 * cluster from the binaries of Debian's `postgresql` package. Nothing of it outlives the process.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { chown, mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Secret } from '@toolgate/core'

export interface PostgresServer {
  /** Address of one database on this server, made or not. */
  url(database: string): Secret
  readonly host: string
  readonly port: number
  /** For tests of an outage; absent where the server was there before. */
  readonly outage: Outage | undefined
  /** Ends the server at once and removes its data; does nothing to one that was there before. */
  stop(): Promise<void>
}

export interface Outage {
  /** Ends the server as a crash does: every connection breaks, the data stays. */
  crash(): Promise<void>
  /** Starts it again, at the same address. */
  recover(): Promise<void>
}

const debianVersions = '/usr/lib/postgresql'
/** Postgres refuses to run as root. This is `nobody`, on Debian and elsewhere. */
const unprivileged = 65_534

/** Why {@link startPostgresServer} cannot work on this machine; undefined where it can. */
export function missingPostgres(): string | undefined {
  if (process.env['TEST_DATABASE_URL'] !== undefined || binaries() !== undefined) return undefined
  return 'needs the Debian package postgresql, or TEST_DATABASE_URL'
}

/** Starts a server on a free loopback port, or uses the given one. */
export async function startPostgresServer(): Promise<PostgresServer> {
  const given = process.env['TEST_DATABASE_URL']
  if (given !== undefined) return serverAt(new URL(given), { outage: undefined, stop: async () => {} })
  const folder = binaries()
  if (folder === undefined) throw new Error(`Postgres: ${missingPostgres()}`)
  return startCluster(folder)
}

/** The same for a server that a test may stop and start again: that of `TEST_DATABASE_URL` is not ours to stop. */
export function missingOwnPostgres(): string | undefined {
  return binaries() === undefined ? 'needs the Debian package postgresql' : undefined
}

/** Starts a server on a free loopback port, whatever `TEST_DATABASE_URL` says. */
export async function startOwnPostgresServer(): Promise<PostgresServer> {
  const folder = binaries()
  if (folder === undefined) throw new Error(`Postgres: ${missingOwnPostgres()}`)
  return startCluster(folder)
}

function binaries(): string | undefined {
  if (!existsSync(debianVersions)) return undefined
  return readdirSync(debianVersions)
    .toSorted((left, right) => Number(right) - Number(left))
    .map((version) => join(debianVersions, version, 'bin'))
    .find((folder) => existsSync(join(folder, 'initdb')))
}

async function startCluster(binaryFolder: string): Promise<PostgresServer> {
  const home = await mkdtemp(join(tmpdir(), 'toolgate-postgres-'))
  if (isRoot()) await chown(home, unprivileged, unprivileged)
  const data = join(home, 'data')
  const cluster = `-D ${data} -U postgres -A trust -E UTF8 --no-sync --locale=C`
  const initdb = unprivilegedProcess(join(binaryFolder, 'initdb'), cluster.split(' '))
  initdb.stdout?.resume()
  initdb.stderr?.resume()
  const [exitCode] = await once(initdb, 'exit')
  if (exitCode !== 0) throw new Error(`initdb ended with ${exitCode}`)

  const port = await freePort()
  const settings = `-D ${data} -p ${port} -k ${home} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=200`
  const start = () => unprivilegedProcess(join(binaryFolder, 'postgres'), settings.split(' '))
  let server = start()
  const killOnExit = () => server.kill('SIGKILL')
  process.once('exit', killOnExit)
  await untilReady(server)
  const crash = async () => {
    if (server.exitCode !== null || server.signalCode !== null) return
    const ended = once(server, 'exit')
    // Immediate shutdown.
    server.kill('SIGQUIT')
    await ended
  }
  const recover = async () => {
    server = start()
    await untilReady(server)
  }
  return serverAt(new URL(`postgres://postgres@127.0.0.1:${port}`), {
    outage: { crash, recover },
    async stop() {
      process.removeListener('exit', killOnExit)
      await crash()
      await rm(home, { recursive: true, force: true })
    },
  })
}

function unprivilegedProcess(command: string, parameters: readonly string[]): ChildProcess {
  const drop = [`--reuid=${unprivileged}`, `--regid=${unprivileged}`, '--clear-groups', command]
  const [program, all] = isRoot() ? ['setpriv', [...drop, ...parameters]] : [command, parameters]
  return spawn(program, all, { cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] })
}

async function untilReady(server: ChildProcess): Promise<void> {
  if (server.stderr === null) throw new Error('the server has no log')
  const { promise: ready, resolve, reject } = Promise.withResolvers<void>()
  const log: string[] = []
  createInterface({ input: server.stderr }).on('line', (line) => {
    if (log.length < 100) log.push(line)
    if (line.includes('database system is ready to accept connections')) resolve()
  })
  server.once('exit', (code) => reject(new Error(`postgres ended with ${code}:\n${log.join('\n')}`)))
  await ready
}

/** A port nobody listens on now. Somebody may before it is used; the server then ends and says so. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  probe.close()
  await once(probe, 'close')
  if (address === null || typeof address === 'string') throw new Error('the probe has no port')
  return address.port
}

function serverAt(base: URL, life: Pick<PostgresServer, 'outage' | 'stop'>): PostgresServer {
  return {
    host: base.hostname,
    port: Number(base.port || 5432),
    url(database) {
      const url = new URL(base)
      url.pathname = `/${database}`
      return new Secret(url.href)
    },
    ...life,
  }
}

function isRoot(): boolean {
  return process.getuid?.() === 0
}
