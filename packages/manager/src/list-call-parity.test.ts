import { type Caller, GatewayError, type Grants, noGrants } from '@toolgate/core'
import { callerOf, principalOf } from '@toolgate/testing/callers'
import {
  array,
  type Arbitrary,
  assert,
  asyncProperty,
  boolean,
  constant,
  constantFrom,
  dictionary,
  oneof,
  option,
  record,
  tuple,
  uniqueArray,
} from 'fast-check'
import { expect, it } from 'vitest'
import type { ListedItem, WithheldItem } from './catalog/offer.ts'
import { serverOf, targetOf, toolsNamed, type World, worldOf } from './fake-world.fixture.ts'
import { permits } from './permits.ts'
import type { PrefixMode } from './public-name.ts'
import { noToolsets } from './toolsets/toolset.ts'
import type { ManagedServer } from './registry/managed-server.ts'

/** Names chosen so that prefixes, separators and tools run into each other. */
const serverNames = ['a', 'a-b', 'b'] as const
const toolNames = ['x', 'b-x', 'a-x', 'a-b-x', 'b'] as const
const everyName = [
  ...toolNames,
  ...serverNames.flatMap((server) => toolNames.map((tool) => `${server}-${tool}`)),
  'nowhere-x',
  'z',
  'shown',
  'id3-x',
]

const tools = uniqueArray(constantFrom(...toolNames))
const toolSet: Arbitrary<ReadonlySet<string>> = array(constantFrom(...toolNames), { maxLength: 3 }).map(
  (names) => new Set(names),
)
const noTools: Arbitrary<ReadonlySet<string>> = constant(new Set<string>())

const grants: Arbitrary<Grants> = record({
  allServers: boolean(),
  noServers: oneof({ weight: 9, arbitrary: constant(false) }, { weight: 1, arbitrary: constant(true) }),
  servers: array(constantFrom(...serverNames)).map((names) => new Set<string>(names)),
  toolsByServer: dictionary(constantFrom(...serverNames), toolSet, { maxKeys: 2 }).map(
    (entries) => new Map(Object.entries(entries)),
  ),
  blockedTools: oneof(noTools, toolSet),
}).map((generated) => ({ ...noGrants, ...generated }))

/** Some are what another tool is called already. */
const displayNames: Arbitrary<ReadonlyMap<string, string>> = uniqueArray(
  record({ tool: constantFrom(...toolNames), shown: constantFrom('shown', 'a-x', 'b', 'id3-x') }),
  { maxLength: 2, selector: ({ shown }) => shown },
).map((entries) => new Map(entries.map(({ tool, shown }) => [tool, shown])))

const server = (id: string, name: string): Arbitrary<ManagedServer> =>
  record({
    allowedTools: option(toolSet, { nil: undefined }),
    disallowedTools: oneof(noTools, toolSet),
    prefixed: boolean(),
    displayNames,
  }).map((generated) => serverOf({ id, name, ...generated }))

const house = record({
  servers: tuple(server('id1', 'a'), server('id2', 'a-b'), server('id3', 'b')),
  offered: record({ id1: tools, id2: tools, id3: tools }),
  grants,
  mode: constantFrom<PrefixMode>('always', 'when_ambiguous', 'never'),
})

function worldWith(
  servers: readonly ManagedServer[],
  offered: Readonly<Record<string, readonly string[]>>,
  mode: PrefixMode,
): World {
  const lists = Object.entries(offered).map(([id, names]) => [id, { lists: { tools: toolsNamed(...names) } }] as const)
  return worldOf({ servers, upstreams: Object.fromEntries(lists), rules: { mode, separator: '-' } })
}

/** Where the call ended, or how it was refused. */
async function fate(world: World, caller: Caller, call: { name: string; server?: string }): Promise<string> {
  try {
    return targetOf(await world.call(caller, call.name, call))
  } catch (error) {
    return error instanceof GatewayError ? `${error.code}: ${error.message}` : 'not a GatewayError'
  }
}

it('lists exactly what can be called, under the names that call it', async () => {
  await assert(
    asyncProperty(house, async ({ servers, offered, grants, mode }) => {
      const world = worldWith(servers, offered, mode)
      const caller = callerOf({ principal: principalOf({ grants }) })
      const { items, withheld } = await world.gateway.list(caller, { kind: 'tools' })
      const listed = new Map(items.map((item) => [item.publicName, `${item.server.id}/${nameOf(item)}`]))
      expect(listed.size).toBe(items.length)
      const unnamed = withheld.filter(({ server: { displayNames: shown }, name }) => !shown.has(name))
      expect(mode === 'never' ? [] : unnamed).toEqual([])

      for (const [name, target] of listed) expect(await fate(world, caller, { name })).toBe(target)
      const own = [...items.map((item) => ({ server: item.server.id, name: nameOf(item) })), ...withheldOwn(withheld)]
      for (const call of own) expect(await fate(world, caller, call)).toBe(`${call.server}/${call.name}`)

      const usable = [...listed.values(), ...withheld.map(({ server, name }) => `${server.id}/${name}`)]
      const others = everyName.filter((name) => !listed.has(name))
      for (const name of others) expect([...usable, 'refused']).toContain(refused(await fate(world, caller, { name })))
    }),
    { numRuns: 300 },
  )
})

/** What has no public name, but a definition, can be called beside its server. */
function withheldOwn(withheld: readonly WithheldItem[]): { server: string; name: string }[] {
  return withheld.flatMap(({ server, name, definition }) => (definition ? [{ server: server.id, name }] : []))
}

function nameOf({ definition }: ListedItem): string {
  return typeof definition['name'] === 'string' ? definition['name'] : ''
}

/** An unlisted name may be another spelling of something listed; otherwise it must be refused. */
function refused(fate: string): string {
  return /^TARGET_(NOT_FOUND|AMBIGUOUS): /.test(fate) ? 'refused' : fate
}

it('answers for what is forbidden exactly as if it did not exist', async () => {
  await assert(
    asyncProperty(house, async ({ servers, offered, grants, mode }) => {
      const caller = callerOf({ principal: principalOf({ grants }) })
      const mayUse = (server: ManagedServer, name: string) =>
        permits(caller.principal, { server, kind: 'tool', name }, { separator: '-', toolsets: noToolsets })
      const offers = new Map<string, readonly string[]>(Object.entries(offered))
      const rest = Object.fromEntries(
        servers.map((server) => [server.id, (offers.get(server.id) ?? []).filter((name) => mayUse(server, name))]),
      )
      const everything = worldWith(servers, offered, mode)
      const onlyMine = worldWith(everything.gateway.select(caller).servers, rest, mode)
      for (const name of everyName) {
        for (const where of [{}, { server: 'a' }, { server: 'a-b' }, { server: 'id3' }, { server: 'nowhere' }]) {
          const call = { name, ...where }
          expect(await fate(everything, caller, call)).toBe(await fate(onlyMine, caller, call))
        }
      }
    }),
    { numRuns: 100 },
  )
})
