import { missingPostgres, startPostgresServer } from '@toolgate/testing/postgres-server'

/**
 * One throw-away Postgres for a whole run: each suite makes databases of its own, and a cluster for each suite would take
 * minutes. A run of some files only does without, and a suite that needs a server starts its own.
 */
export async function setup(): Promise<(() => Promise<void>) | undefined> {
  const isPartial = process.argv.slice(2).some((argument) => argument !== 'run' && !argument.startsWith('-'))
  if (isPartial || process.env['TEST_DATABASE_URL'] !== undefined || missingPostgres() !== undefined) return undefined
  const server = await startPostgresServer()
  process.env['TEST_DATABASE_URL'] = server.url('postgres').reveal()
  return () => server.stop()
}
