import { Secret, silentLogger } from '@toolgate/core'
import { openTestDatabase } from '@toolgate/testing/database'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { KeyDefaults, KeyUpperBounds } from './key-bounds.ts'
import type { KeyStore } from './key-store.ts'
import { createPostgresKeyStore } from './key-store.postgres.ts'
import { createVirtualKeys } from './virtual-keys.ts'

describe('what the operator says of every key', () => {
  let store: KeyStore
  let close: () => Promise<void>
  beforeAll(async () => {
    const database = await openTestDatabase()
    store = createPostgresKeyStore(database)
    close = database.close
  })
  afterAll(() => close())

  let defaults: KeyDefaults = {}
  let upperBounds: KeyUpperBounds = {}
  const clock = fakeClock(Date.UTC(2026, 0, 1))
  const options = { log: silentLogger, clock, defaults: () => defaults, upperBounds: () => upperBounds }
  const keys = () => createVirtualKeys({ store, ...options })
  const generate = (body: object) => keys().generate(body, 'admin')

  it('fills in what a request leaves out, and nothing that it says', async () => {
    defaults = { max_budget: 5, models: ['small'], metadata: { from: 'file' }, team_id: 'all', duration: '30d' }
    upperBounds = {}
    await expect(generate({ models: [], metadata: {}, team_id: null })).resolves.toMatchObject({
      max_budget: 5,
      models: ['small'],
      metadata: { from: 'file' },
      team_id: 'all',
      expires: '2026-01-31T00:00:00.000Z',
    })
    const said = { max_budget: 0, models: ['big'], metadata: { own: 1 }, team_id: 'mine', duration: '-1' }
    await expect(generate(said)).resolves.toMatchObject({ ...said, duration: '-1', expires: null })
  })

  it('is what a request gets that names no limit, and follows a reload', async () => {
    defaults = { max_budget: 5 }
    upperBounds = { max_budget: 10, rpm_limit: 60, duration: '1mo' }
    await expect(generate({})).resolves.toMatchObject({
      max_budget: 5,
      rpm_limit: 60,
      expires: '2026-02-01T00:00:00.000Z',
    })
    upperBounds = {}
    await expect(generate({})).resolves.toMatchObject({ rpm_limit: null, expires: null })
  })

  it.each([
    [{ max_budget: 10.5 }, 'max_budget', 10],
    [{ rpm_limit: 61 }, 'rpm_limit', 60],
    [{ duration: '32d' }, 'duration', '1mo'],
    [{ duration: '-1' }, 'duration', '1mo'],
    [{ budget_duration: '25h' }, 'budget_duration', '1d'],
  ])('refuses what is above a bound, naming both: %j', async (body, field, bound) => {
    upperBounds = { max_budget: 10, rpm_limit: 60, duration: '1mo', budget_duration: '1d' }
    const refusal = {
      code: 'INVALID_REQUEST',
      message: expect.stringContaining(`${field}: is over the limit of this gateway, ${bound}`),
      details: { field, bound },
    }
    await expect(generate(body)).rejects.toMatchObject(refusal)
    const { key } = await generate({ max_budget: 10, duration: '31d' })
    await expect(keys().update({ key: key.reveal(), ...body }, 'bob')).rejects.toMatchObject(refusal)
    await expect(keys().regenerate({ key: key.reveal(), ...body }, 'bob')).rejects.toMatchObject(refusal)
  })

  it('refuses to take a bounded limit away, and leaves what a change does not name', async () => {
    upperBounds = {}
    const { key } = await generate({ rpm_limit: 500 })
    upperBounds = { rpm_limit: 60 }
    const update = (body: object) => keys().update({ key: key.reveal(), ...body }, 'bob')
    await expect(update({ rpm_limit: null })).rejects.toMatchObject({ details: { field: 'rpm_limit' } })
    await expect(update({ max_budget: 7 })).resolves.toMatchObject({ rpm_limit: 500, max_budget: 7 })
    await expect(keys().regenerate({ key: key.reveal() }, 'bob')).resolves.toMatchObject({
      rpm_limit: 500,
      key: expect.any(Secret),
    })
  })
})
