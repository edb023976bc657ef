import { silentLogger } from '@toolgate/core'
import { virtualKeys as keyTable } from '@toolgate/db'
import { describeOnStores } from '@toolgate/testing/database'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { eq, sql } from 'drizzle-orm'
import { expect, it } from 'vitest'
import { createPostgresKeySpendStore } from './key-spend.postgres.ts'
import { createPostgresKeyStore } from './key-store.postgres.ts'
import { createVirtualKeys } from './virtual-keys.ts'

describeOnStores('what keys have spent', (openStore) => {
  it('is added once, or not at all where nobody waits for the store any more', async () => {
    const { database } = await openStore()
    const clock = fakeClock()
    const keys = createVirtualKeys({ store: createPostgresKeyStore(database), log: silentLogger, clock })
    const { token } = await keys.generate({ max_budget: 10 }, 'admin')
    const store = createPostgresKeySpendStore(database, clock)
    const { signal } = new AbortController()
    await store.add(new Map([[token, 1.5]]), signal)
    const leaving = new AbortController()
    const [locked, over] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const holding = database.db.transaction(async (within) => {
      await within.update(keyTable).set({ updatedBy: 'bob' }).where(eq(keyTable.hash, token))
      locked.resolve()
      await over.promise
    })
    await locked.promise
    const adding = store.add(new Map([[token, 4]]), leaving.signal).catch((error: unknown) => error)
    leaving.abort()
    expect(await adding).toMatchObject({ code: 'STORE_UNAVAILABLE' })
    over.resolve()
    await holding
    // What was begun has come to its end when this has its turn.
    await database.db.transaction((within) => within.execute(sql`select 1 from ${keyTable} for update`))
    expect(await store.budgetOf(token, signal)).toEqual({ spent: 1.5, most: 10 })
  })
})
