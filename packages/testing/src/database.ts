/**
 * Migrated databases for tests, and suites that run on every kind of store. Where the run has a Postgres, a copy of its
 * template takes a tenth of the time of an embedded database. Making one of those takes seconds: the first test of a
 * schema makes one and leaves a copy in the temporary folder, everything after it starts from that.
 */
import { createHash, randomUUID } from 'node:crypto'
import { readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Database, migrate, openDatabase } from '@toolgate/db'
import { openPgliteInMemory } from '@toolgate/db/pglite'
import { afterAll, describe } from 'vitest'
import {
  missingOwnPostgres,
  missingPostgres,
  type PostgresServer,
  startOwnPostgresServer,
  startPostgresServer,
} from './postgres-server.ts'

export interface TestStore {
  /** Migrated and empty. */
  readonly database: Database
  /** The same store as another process sees it. An embedded one has one process: it is the same database. */
  openAgain(): Promise<Database>
}

export type OpenStore = () => Promise<TestStore>

const migrationsFolder = join(import.meta.dirname, '..', '..', '..', 'migrations')

/** Names the migrated database on the server of `TEST_DATABASE_URL` that tests start from. */
const templateVariable = 'TEST_DATABASE_TEMPLATE'

/** Makes the template that {@link openTestDatabase} copies, in this process and those it starts. Returns its end. */
export async function offerTemplate(server: PostgresServer): Promise<() => Promise<void>> {
  const url = await createDatabase(server)
  const database = await openDatabase({ url })
  await migrate(database)
  await database.close()
  const name = new URL(url.reveal()).pathname.slice(1)
  process.env[templateVariable] = name
  return () => administer(server, `drop database ${name}`)
}

/** A migrated, empty database that is gone when it is closed. */
export async function openTestDatabase(): Promise<Database> {
  const template = process.env[templateVariable]
  return template === undefined ? openEmbedded() : openCopy(await startPostgresServer(), template)
}

async function openCopy(server: PostgresServer, template: string): Promise<Database> {
  const url = await createDatabase(server, template)
  const database = await openDatabase({ url })
  const name = new URL(url.reveal()).pathname.slice(1)
  return {
    ...database,
    async close() {
      await database.close()
      // Whoever forgot to hang up is no reason to keep it.
      await administer(server, `drop database if exists ${name} with (force)`)
    },
  }
}

async function openEmbedded(): Promise<Database> {
  const copy = join(tmpdir(), `toolgate-template-${await schemaDigest()}.tar`)
  const known = await readIfThere(copy)
  if (known !== undefined) return openPgliteInMemory(known)
  const database = await openPgliteInMemory()
  await migrate(database)
  const snapshot = await database.snapshot()
  // Renamed into place, so that a test file running beside this one never reads half of it.
  const draft = `${copy}.${randomUUID()}`
  await writeFile(draft, snapshot)
  await rename(draft, copy)
  return database
}

/**
 * Runs a suite on PGlite and on real Postgres. Each `openStore()` is a database of its own, closed after the suite.
 * Without Postgres that half is skipped by name; under CI it fails instead.
 */
export function describeOnStores(name: string, suite: (openStore: OpenStore) => void): void {
  describe(`${name}, on PGlite`, () => {
    suite(pgliteStores())
  })
  describeOnPostgres(`${name}, on Postgres`, (server) => suite(postgresStores(server)))
}

/** Runs a suite on real Postgres only, with a server that is started at the first use. */
export function describeOnPostgres(name: string, suite: ServerSuite): void {
  describeOn({ missing: missingPostgres(), start: startPostgresServer }, name, suite)
}

/** The same on a server of the suite's own, which it may stop and start again. */
export function describeOnOwnPostgres(name: string, suite: ServerSuite): void {
  describeOn({ missing: missingOwnPostgres(), start: startOwnPostgresServer }, name, suite)
}

type ServerSuite = (server: () => Promise<PostgresServer>) => void

interface Supply {
  /** Why there is none. */
  readonly missing: string | undefined
  start(): Promise<PostgresServer>
}

function describeOn({ missing, start }: Supply, name: string, suite: ServerSuite): void {
  if (missing !== undefined && process.env['CI'] === 'true') throw new Error(`${name}: ${missing}`)
  // The reporter folds a skipped suite into a number; the reason belongs on the screen.
  if (missing !== undefined) console.warn(`Skipped: ${name}, ${missing}.`)
  const title = missing === undefined ? name : `${name} (skipped: ${missing})`
  describe.skipIf(missing !== undefined).each([title])('%s', () => {
    let server: Promise<PostgresServer> | undefined
    afterAll(async () => (await server)?.stop())
    suite(() => (server ??= start()))
  })
}

function pgliteStores(): OpenStore {
  const opened = closedAfterSuite()
  return async () => {
    const database = opened(await openEmbedded())
    return { database, openAgain: async () => database }
  }
}

function postgresStores(server: () => Promise<PostgresServer>): OpenStore {
  const opened = closedAfterSuite()
  return async () => {
    const url = await createDatabase(await server())
    const database = opened(await openDatabase({ url }))
    await migrate(database)
    return { database, openAgain: async () => opened(await openDatabase({ url })) }
  }
}

/** Makes a database on a server, empty or a copy, and returns its address. */
export async function createDatabase(server: PostgresServer, template = 'template1') {
  const name = `toolgate_test_${randomUUID().replaceAll('-', '')}`
  await administer(server, `create database ${name} template ${template}`)
  return server.url(name)
}

async function administer(server: PostgresServer, statement: string): Promise<void> {
  const administration = await openDatabase({ url: server.url('postgres') })
  try {
    await administration.db.execute(statement)
  } finally {
    await administration.close()
  }
}

function closedAfterSuite(): (database: Database) => Database {
  const open = new Set<Database>()
  afterAll(async () => {
    for (const database of open) await database.close()
  })
  return (database) => {
    open.add(database)
    return database
  }
}

async function schemaDigest(): Promise<string> {
  const hash = createHash('sha256').update(
    createRequire(import.meta.resolve('@toolgate/db/pglite')).resolve('@electric-sql/pglite'),
  )
  const entries = await readdir(migrationsFolder, { recursive: true })
  for (const entry of entries.filter((path) => path.endsWith('.sql')).toSorted()) {
    hash.update(entry).update(await readFile(join(migrationsFolder, entry)))
  }
  return hash.digest('hex').slice(0, 16)
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path)
  } catch {
    // Not there yet, or unreadable: a new one is made.
    return undefined
  }
}
