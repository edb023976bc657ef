import { type Database, userTokens } from '@toolgate/db'
import { eq } from 'drizzle-orm'
import { expect, vi } from 'vitest'

/** Waits for looks for orphans, behind which nobody else waits. */
export interface OrphanLooks {
  /** Of the gateway that was just started. */
  first(): Promise<void>
  /** Does what asks for a look, and waits for that. */
  after(work: () => Promise<unknown>): Promise<void>
}

/** An orphan of nobody, on which each look leaves its time. To be there before the gateway starts. */
export async function watchOrphanLooks({ db }: Pick<Database, 'db'>): Promise<OrphanLooks> {
  const id = 'an orphan that is watched'
  const long = new Date(0)
  await db.insert(userTokens).values({
    id,
    owner: 'nobody',
    serverId: 'gone',
    identity: '',
    sealed: '',
    scopes: [],
    refreshable: false,
    connectedAt: long,
    orphanedAt: long,
    orphanedFor: '0',
  })
  const lookedAt = async () => (await db.select().from(userTokens).where(eq(userTokens.id, id)))[0]?.orphanedAt
  const after: OrphanLooks['after'] = async (work) => {
    const before = await lookedAt()
    await work()
    await vi.waitFor(async () => expect(await lookedAt()).not.toEqual(before), { timeout: 30_000 })
  }
  return { after, first: () => vi.waitFor(async () => expect(await lookedAt()).not.toEqual(long), { timeout: 30_000 }) }
}
