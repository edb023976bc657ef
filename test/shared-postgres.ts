import { offerTemplate } from '@toolgate/testing/database'
import { missingPostgres, startPostgresServer } from '@toolgate/testing/postgres-server'

/**
 * One Postgres for a whole run, where the machine has it: a throw-away cluster for each suite would take minutes, and so
 * would an embedded database for each test. A stranger's machine without Postgres runs the same tests, on embedded ones.
 */
export async function setup(): Promise<(() => Promise<void>) | undefined> {
  if (missingPostgres() !== undefined) return undefined
  const server = await startPostgresServer()
  process.env['TEST_DATABASE_URL'] = server.url('postgres').reveal()
  const dropTemplate = await offerTemplate(server)
  return async () => {
    await dropTemplate()
    await server.stop()
  }
}
