import { randomId } from '@toolgate/core'
import { type Database, userTokens } from '@toolgate/db'
import { describeOnStores } from '@toolgate/testing/database'
import { eq, sql } from 'drizzle-orm'
import { beforeEach, expect, it } from 'vitest'
import { createPostgresOrphanStore } from './orphaned-accounts.postgres.ts'
import type { DeclaredServer } from './orphaned-accounts.ts'
import { createPostgresUserTokenStore } from './user-token-store.postgres.ts'
import type { HeldKind } from './user-token-store.ts'

const hour = 60 * 60_000
const { signal } = new AbortController()

describeOnStores('orphans', (openStore) => {
  let database: Database
  beforeEach(async () => {
    database ??= (await openStore()).database
    await database.db.delete(userTokens)
  })

  const keep = (owner: string, kind: HeldKind, identity: string) =>
    createPostgresUserTokenStore(database, randomId).save({ owner, serverId: 'repo', kind }, async () => ({
      id: `${owner} ${kind}`,
      serverName: 'the repo',
      identity,
      sealed: 'sealed',
      scopes: [],
      expiresAt: null,
      refreshable: false,
      connectedAt: new Date(),
    }))
  const look = (identities: DeclaredServer['identities'] | 'gone') => {
    const declared = new Map(identities === 'gone' ? [] : [['repo', { name: 'repo', identities }]])
    const times = { mostCountedMs: 2 * hour, keptMs: 24 * hour }
    return createPostgresOrphanStore(database).look(declared, times, signal)
  }
  const left = async () => (await database.db.select().from(userTokens)).map(({ id }) => id).toSorted(byText)
  const marked = async () =>
    (await database.db.select().from(userTokens))
      .filter(({ orphanedAt }) => orphanedAt !== null)
      .map(({ id }) => id)
      .toSorted(byText)
  const lastLook = (hours: number) =>
    database.db.update(userTokens).set({ orphanedAt: sql`now() - ${hours} * interval '1 hour'` })

  it('are what is for another kind or identity than a server has, and of one that cannot say none', async () => {
    await keep('ada', 'credential', 'one')
    await keep('ada', 'variables', 'one')
    await keep('bob', 'credential', 'two')
    expect(await look(undefined)).toEqual({ marked: [], removed: [] })
    const ofOne = new Map([['credential', 'one'] as const])
    expect((await look(ofOne)).marked).toEqual([{ id: 'repo', name: 'the repo', secrets: 2 }])
    expect(await marked()).toEqual(['ada variables', 'bob credential'])
    expect((await look('gone')).marked).toEqual([{ id: 'repo', name: 'the repo', secrets: 1 }])
    expect(await look(undefined)).toEqual({ marked: [], removed: [] })
    expect(await marked()).toEqual([])
    expect((await look(new Map())).marked).toMatchObject([{ secrets: 3 }])
  })

  it('are removed after looks that make up the time, however far apart', async () => {
    await keep('ada', 'credential', 'one')
    await look('gone')
    for (let looks = 0; looks < 11; looks += 1) {
      await lastLook(1_000)
      expect((await look('gone')).removed).toEqual([])
    }
    await lastLook(1_000)
    expect((await look('gone')).removed).toEqual([{ id: 'repo', name: 'the repo', secrets: 1 }])
    expect(await left()).toEqual([])
  })

  it('begin their time anew after they were none', async () => {
    await keep('ada', 'credential', 'one')
    await look('gone')
    await database.db.update(userTokens).set({ orphanedFor: '23 hours' })
    await look(new Map([['credential', 'one']]))
    await look('gone')
    await lastLook(2)
    expect((await look('gone')).removed).toEqual([])
    expect(await database.db.select().from(userTokens).where(eq(userTokens.owner, 'ada'))).toMatchObject([
      { orphanedFor: '02:00:00' },
    ])
  })
})

function byText(left: string, right: string): number {
  return left.localeCompare(right)
}
