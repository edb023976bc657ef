import { managementEvents } from '@toolgate/db'
import { describeOnStores, type TestStore } from '@toolgate/testing/database'
import { eq } from 'drizzle-orm'
import { beforeAll, expect, it } from 'vitest'
import { createPostgresToolDefinitions } from './tool-definitions.postgres.ts'
import type { SeenDefinition, ToolDefinitions } from './tool-definitions.ts'

describeOnStores('tool definitions', (openStore) => {
  let store: TestStore
  let here: ToolDefinitions
  let elsewhere: ToolDefinitions
  beforeAll(async () => {
    store = await openStore()
    here = createPostgresToolDefinitions(store.database)
    elsewhere = createPostgresToolDefinitions(await store.openAgain())
  })

  const seen = (name: string, hash: string): SeenDefinition => ({ name, hash, definition: { name, from: hash } })
  const verdictsOf = async (server: string) =>
    (await elsewhere.load(server)).map(({ name, hash, verdict }) => `${name} ${hash} ${verdict}`).toSorted()

  it('trust the first list of a server, whoever of many sees it first', async () => {
    const lists = Array.from({ length: 6 }, (_, index) =>
      (index % 2 === 0 ? here : elsewhere).observe('s', [seen('a', '1'), seen('b', `b${index}`)]),
    )
    const observed = await Promise.all(lists)
    expect(observed.filter(({ first }) => first)).toHaveLength(1)
    const verdicts = await verdictsOf('s')
    expect(verdicts.filter((one) => one.endsWith('approved'))).toHaveLength(2)
    expect(verdicts.filter((one) => one.endsWith('pending'))).toHaveLength(5)
    const events = await store.database.db.select().from(managementEvents).where(eq(managementEvents.objectId, 's'))
    expect(events.map(({ action, actor }) => [action, actor])).toEqual([
      ['tool_definitions.trust_first_list', 'first use'],
    ])
  })

  it('keep no more undecided definitions of a tool than ten, the newest, and what was approved', async () => {
    await here.observe('flapping', [seen('a', 'first'), seen('b', 'first')])
    await here.observe('flapping', [seen('b', 'other')])
    for (let turn = 10; turn < 25; turn += 1) await here.observe('flapping', [seen('a', `h${turn}`)])
    expect(await verdictsOf('flapping')).toEqual([
      'a first approved',
      ...Array.from({ length: 10 }, (_, index) => `a h${index + 15} pending`),
      'b first approved',
      'b other pending',
    ])
  })

  it('decide what is asked for, and say what there is to decide beside what was approved last', async () => {
    await here.observe('decided', [seen('a', '1')])
    await here.observe('decided', [seen('a', '2'), seen('a', '3'), seen('n', '1')])
    const approvedOf = async () =>
      (await elsewhere.records('pending', 'decided')).map(({ name, hash, approved }) => [
        name,
        hash,
        approved?.['from'],
      ])
    expect(await approvedOf()).toEqual([
      ['a', '2', '1'],
      ['a', '3', '1'],
      ['n', '1', undefined],
    ])
    const two = { tools: [{ name: 'a', hash: '2' }], verdict: 'approved' as const }
    expect(await here.decide('decided', two, 'ann')).toEqual(two.tools)
    expect(await here.decide('decided', two, 'ann')).toEqual([])
    expect(await approvedOf()).toEqual([
      ['a', '3', '2'],
      ['n', '1', undefined],
    ])
    const missing = { tools: [{ name: 'a', hash: '9' }], verdict: 'approved' as const }
    await expect(here.decide('decided', missing, 'ann')).rejects.toMatchObject({ code: 'TOOL_CHANGE_NOT_FOUND' })
    await here.decide('decided', { tools: undefined, verdict: 'rejected' }, 'ann')
    expect(await verdictsOf('decided')).toEqual(['a 1 approved', 'a 2 approved', 'a 3 rejected', 'n 1 rejected'])
    await here.forget('decided')
    expect(await verdictsOf('decided')).toEqual([])
  })
})
