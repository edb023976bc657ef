import { managementEvents } from '@toolgate/db'
import { describeOnStores, type TestStore } from '@toolgate/testing/database'
import { eq } from 'drizzle-orm'
import { beforeAll, expect, it, vi } from 'vitest'
import { createPostgresStoredServers } from './stored-servers.postgres.ts'
import { serverChangesChannel, type StoredServers } from './stored-servers.ts'

/** Nobody has handed anything over. */
const kept = new Map<string, string>()

describeOnStores('stored servers', (openStore) => {
  let store: TestStore
  let here: StoredServers
  let elsewhere: StoredServers
  beforeAll(async () => {
    store = await openStore()
    here = createPostgresStoredServers(store.database)
    elsewhere = createPostgresStoredServers(await store.openAgain())
  })

  const server = (id: string, over: object = {}) => ({
    id,
    name: `${id}-name`,
    alias: null,
    settings: { url: 'https://example.com/mcp' },
    sealedSecrets: 'sealed',
    ...over,
  })

  it('keeps what it was given, the oldest first', async () => {
    const first = await here.insert(server('first', { alias: 'f' }), 'ann')
    const second = await here.insert(server('second'), 'ann')
    expect(first).toMatchObject({ ...server('first', { alias: 'f' }), createdBy: 'ann', updatedBy: 'ann' })
    await expect(elsewhere.list()).resolves.toEqual([first, second])
    await expect(elsewhere.find(['second', 'none'])).resolves.toEqual([second])
    await expect(elsewhere.find([])).resolves.toEqual([])
  })

  it.each([
    ['server_id', server('taken')],
    ['server_name', server('other', { name: 'taken-name' })],
    ['server_name', server('other', { name: 'taken-alias' })],
    ['server_name', server('other', { name: 'taken' })],
    ['alias', server('other', { alias: 'taken-name' })],
    ['server_id', server('taken-alias')],
  ])('refuses an id, name or alias that another has, naming %s', async (field, conflicting) => {
    await here.remove('taken', 'ann')
    await here.insert(server('taken', { alias: 'taken-alias' }), 'ann')
    await expect(here.insert(conflicting, 'ann')).rejects.toMatchObject({ code: 'CONFLICT', details: { field } })
    await here.insert(server('mover'), 'ann')
    // A server keeps its id, so a change can only claim what another has as a name or an alias.
    const { id: _, ...move } = field === 'server_id' ? server('mover', { name: 'taken' }) : conflicting
    await expect(here.update('mover', async () => ({ ...move, kept }), 'ann')).rejects.toMatchObject({
      code: 'CONFLICT',
    })
    await here.remove('mover', 'ann')
  })

  it('gives a name to one of many who ask for it at once', async () => {
    const claims = Array.from({ length: 8 }, (_, index) =>
      (index % 2 === 0 ? here : elsewhere).insert(server(`claim-${index}`, { name: 'claimed' }), 'ann'),
    )
    const outcomes = await Promise.allSettled(claims)
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })

  it('loses none of many changes of one server at once', async () => {
    await here.insert(server('busy'), 'ann')
    const changes = Array.from({ length: 20 }, (_, index) =>
      (index % 2 === 0 ? here : elsewhere).update(
        'busy',
        async ({ settings, ...row }) => ({ ...row, kept, settings: { ...settings, [`field-${index}`]: index } }),
        'ann',
      ),
    )
    await Promise.all(changes)
    const [row] = await here.find(['busy'])
    expect(Object.keys(row?.settings ?? {})).toHaveLength(21)
  })

  it('changes nothing where the change is refused, and says that there is nothing to change', async () => {
    await here.insert(server('kept'), 'ann')
    const [before] = await here.find(['kept'])
    await expect(here.update('kept', () => Promise.reject(new Error('refused')), 'bob')).rejects.toThrow('refused')
    await expect(here.find(['kept'])).resolves.toEqual([before])
    await expect(here.update('none', async (row) => ({ ...row, kept }), 'bob')).resolves.toBeUndefined()
    await expect(here.remove('none', 'bob')).resolves.toBe(false)
  })

  it('leaves an event of every write, without settings, and announces it', async () => {
    const heard: string[] = []
    const stop = await (await store.openAgain()).listen(serverChangesChannel, { changed: (id) => void heard.push(id) })
    const { mark } = await here.changedSince(undefined)
    await here.insert(server('told'), 'ann')
    const updated = await here.update('told', async (row) => ({ ...row, kept }), 'bob')
    await here.remove('told', 'cid')
    await vi.waitFor(() => expect(heard.filter((id) => id === 'told')).toHaveLength(3))
    await stop()
    const events = await store.database.db.select().from(managementEvents).where(eq(managementEvents.objectId, 'told'))
    expect(events.map(({ action, actor, objectType, details }) => [objectType, action, actor, details])).toEqual(
      [
        ['create', 'ann'],
        ['update', 'bob'],
        ['delete', 'cid'],
      ].map(([action, actor]) => ['mcp_server', `mcp_server.${action}`, actor, { name: 'told-name', alias: null }]),
    )
    const { changes } = await elsewhere.changedSince(mark)
    const latest = changes.find(({ id }) => id === 'told')?.at
    expect(latest?.getTime()).toBeGreaterThanOrEqual(updated?.updatedAt.getTime() ?? Number.NaN)
  })
})
