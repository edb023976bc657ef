import { GatewayError, Secret } from '@toolgate/core'
import { askStore, type Database, openDatabase, type Queries, writeStore } from '@toolgate/db'
import { createDatabase, describeOnPostgres } from '@toolgate/testing/database'
import { sql } from 'drizzle-orm'
import { expect, it, vi } from 'vitest'

vi.setConfig({ testTimeout: 60_000 })

/** More than the pool has connections, so that each of them is used. */
const askers = 20
const questionsOfEach = 30

const connectionsOfOthers = sql`
  select pg_terminate_backend(pid) from pg_stat_activity
  where datname = current_database() and pid <> pg_backend_pid()`

describeOnPostgres('a database whose connections are cut', (server) => {
  const openTwice = async (query = '') => {
    const url = await createDatabase(await server())
    const database = await openDatabase({ url: new Secret(`${url.reveal()}${query}`) })
    const administration = await openDatabase({ url })
    return {
      database,
      administration,
      async [Symbol.asyncDispose]() {
        await Promise.all([database.close(), administration.close()])
      },
    }
  }

  it('refuses what a transaction asks afterwards, and goes on with new connections', async () => {
    await using opened = await openTwice()
    const { database, administration } = opened
    for (let turn = 0; turn < askers; turn += 1) {
      const cut = writeStore(database.db, async (within) => {
        const pid = await numberFrom(within.execute(sql`select pg_backend_pid() as number`))
        await administration.db.execute(sql`select pg_terminate_backend(${pid})`)
        await within.execute(sql`select 1`)
      })
      await expect(cut).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    }
    expect(await answersOf(database)).toEqual(numbers)
  })

  it('lets no transaction go on in the session of another one', async () => {
    await using opened = await openTwice('?connection_limit=1')
    const { database, administration } = opened
    await administration.db.execute(sql`create table kept (number int)`)
    const keep = (within: Queries, number: number) => within.execute(sql`insert into kept values (${number})`)
    const [cut, begun, over] = [1, 2, 3].map(() => Promise.withResolvers<void>())
    const lost = writeStore(database.db, async (within) => {
      await keep(within, 1)
      await administration.db.execute(connectionsOfOthers)
      cut?.resolve()
      await begun?.promise
      // Its end in failure is a statement too: a rollback.
      await keep(within, 2).finally(() => over?.resolve())
    })
    lost.catch(() => 'looked at below')
    await cut?.promise
    const other = writeStore(database.db, async (within) => {
      await keep(within, 10)
      begun?.resolve()
      await over?.promise
      await lost.catch(() => 'as it should')
      await keep(within, 11)
    })
    await expect(lost).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await other
    const rows = await administration.db.execute(sql`select number from kept order by number`)
    expect(Array.from(Object(rows), (row) => Object(row).number)).toEqual([10, 11])
  })

  it('answers each question with its own answer or none, whenever they are cut', async () => {
    await using opened = await openTwice()
    const { database, administration } = opened
    const outcomes = { right: 0, refused: 0, wrong: new Array<unknown>() }
    const ask = async (asker: number) => {
      for (let turn = 0; turn < questionsOfEach; turn += 1) {
        const number = asker * questionsOfEach + turn
        const question = sql`select ${number}::int as number`
        const asking =
          turn % 2 === 0
            ? askStore(() => numberFrom(database.db.execute(question)))
            : writeStore(database.db, async (within) => {
                await within.execute(sql`select 'not this one' as number`)
                return numberFrom(within.execute(question))
              })
        const outcome = await asking.catch((error: unknown) => error)
        if (outcome === number) outcomes.right += 1
        else if (outcome instanceof GatewayError && outcome.code === 'STORE_UNAVAILABLE') outcomes.refused += 1
        else outcomes.wrong.push(outcome)
      }
    }
    const over = new AbortController()
    const asked = Promise.all(numbers.map(ask)).finally(() => over.abort())
    // Cut as often as the machine lets new connections come to anything.
    for (let before = 0; !over.signal.aborted; before = outcomes.right) {
      await administration.db.execute(connectionsOfOthers)
      await vi.waitUntil(() => over.signal.aborted || outcomes.right > before, { timeout: 20_000, interval: 1 })
    }
    await asked
    expect(outcomes.wrong).toEqual([])
    expect(outcomes.refused).toBeGreaterThan(0)
    expect(outcomes.right).toBeGreaterThan(0)
    // The last cut may be heard of a moment later.
    await vi.waitFor(async () => expect(await answersOf(database)).toEqual(numbers), { timeout: 20_000 })
  })
})

const numbers = Array.from({ length: askers }, (_, asker) => asker)

/** All at once: a connection that cannot be used any more would leave its question without an answer. */
function answersOf(database: Database): Promise<readonly unknown[]> {
  const answerOf = (number: number) => numberFrom(database.db.execute(sql`select ${number}::int as number`))
  return Promise.all(numbers.map((number) => askStore(() => answerOf(number))))
}

async function numberFrom(answer: PromiseLike<unknown>): Promise<unknown> {
  const [row] = Array.from(Object(await answer), (one) => Object(one))
  return row?.number
}
