import { Secret } from '@toolgate/core'
import { describeOnStores } from '@toolgate/testing/database'
import { expect, it } from 'vitest'
import { createSealer, deriveSealingKey } from './sealing.ts'
import { verifySealingKey } from './sealing-check.postgres.ts'

const sealerOf = (text: string) => createSealer({ keys: [deriveSealingKey(new Secret(text))] })

describeOnStores('the check of the encryption key', (openStore) => {
  it('takes the key of the first start, again and again, and no other', async () => {
    const { database } = await openStore()
    await verifySealingKey(database.db, sealerOf('the first encryption key'))
    await verifySealingKey(database.db, sealerOf('the first encryption key'))
    await expect(verifySealingKey(database.db, sealerOf('some other encryption key'))).rejects.toMatchObject({
      code: 'CONFIGURATION_INVALID',
      message: expect.stringContaining('sealed with another encryption key'),
    })
  })

  it('takes one of two different keys that start at once', async () => {
    const { database, openAgain } = await openStore()
    const other = await openAgain()
    const starts = await Promise.allSettled([
      verifySealingKey(database.db, sealerOf('the one encryption key')),
      verifySealingKey(other.db, sealerOf('the other encryption key')),
    ])
    expect(starts.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
  })
})
