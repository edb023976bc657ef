import { type Grants, noGrants, type Principal, type TargetKind } from '@toolgate/core'
import { principalOf } from '@toolgate/testing/callers'
import { describe, expect, it } from 'vitest'
import { serverOf } from './fake-world.fixture.ts'
import { permitBasis, permits, permitsServer } from './permits.ts'
import { noToolsets } from './toolsets/toolset.ts'
import type { ManagedServer } from './registry/managed-server.ts'

const plain = serverOf({ id: 'id-1', name: 'git hub', alias: 'gh', accessGroups: new Set(['dev']) })

interface Case {
  readonly grants?: Partial<Grants>
  readonly principal?: Partial<Principal>
  readonly server?: Partial<ManagedServer>
  readonly kind?: TargetKind
  readonly name?: string
}

function allowed({ grants, principal, server, kind = 'tool', name = 'read' }: Case): boolean {
  const who = principalOf({ ...principal, grants: { ...noGrants, ...grants } })
  const target = { server: { ...plain, ...server }, kind, name }
  return permits(who, target, { separator: '-', toolsets: noToolsets })
}

const whole = { servers: new Set(['gh']) }

describe('permits', () => {
  it.each<[boolean, string, Case]>([
    [false, 'nothing granted', {}],
    [true, 'every server granted', { grants: { allServers: true } }],
    [true, 'an admin', { principal: { admin: true } }],
    [true, 'granted by id', { grants: { servers: new Set(['id-1']) } }],
    [true, 'granted by name', { grants: { servers: new Set(['git hub']) } }],
    [true, 'granted by alias', { grants: { servers: new Set(['gh']) } }],
    [false, 'granted another server', { grants: { servers: new Set(['gitlab']) } }],
    [true, 'granted by access group', { grants: { accessGroups: new Set(['ops', 'dev']) } }],
    [false, 'granted another group', { grants: { accessGroups: new Set(['ops']) } }],
    [true, 'a server open to all keys', { server: { allowAllKeys: true } }],
    [true, 'a server that names the key', { server: { grantedKeyHashes: new Set(['key-hash']) } }],
    [false, 'a server that names another key', { server: { grantedKeyHashes: new Set(['other']) } }],
    [
      false,
      'no server at all, which beats every grant',
      {
        grants: { ...whole, allServers: true, noServers: true, accessGroups: new Set(['dev']) },
        principal: { admin: true },
        server: { allowAllKeys: true, grantedKeyHashes: new Set(['key-hash']) },
      },
    ],
    [true, 'a tool entry that has it', { grants: { toolsByServer: new Map([['gh', new Set(['read'])]]) } }],
    [false, 'a tool entry that has it not', { grants: { toolsByServer: new Map([['gh', new Set(['write'])]]) } }],
    [false, 'an empty tool entry', { grants: { ...whole, toolsByServer: new Map([['id-1', new Set<string>()]]) } }],
    [
      false,
      'the server whole, narrowed by a tool entry',
      { grants: { ...whole, toolsByServer: new Map([['id-1', new Set(['write'])]]) } },
    ],
    [
      true,
      'two spellings of one server, which add up',
      {
        grants: {
          toolsByServer: new Map([
            ['gh', new Set(['write'])],
            ['id-1', new Set(['read'])],
          ]),
        },
      },
    ],
    [false, 'a blocked tool', { grants: { ...whole, blockedTools: new Set(['read']) } }],
    [false, 'a tool blocked with its prefix', { grants: { ...whole, blockedTools: new Set(['gh-read']) } }],
    [
      false,
      'a tool blocked with its name as prefix',
      { grants: { ...whole, blockedTools: new Set(['git_hub-read']) } },
    ],
    [true, 'a tool blocked on another server', { grants: { ...whole, blockedTools: new Set(['gitlab-read']) } }],
    [true, 'allowed_tools has it', { grants: whole, server: { allowedTools: new Set(['read']) } }],
    [true, 'allowed_tools has it with prefix', { grants: whole, server: { allowedTools: new Set(['gh-read']) } }],
    [false, 'allowed_tools has it not', { grants: whole, server: { allowedTools: new Set(['write']) } }],
    [false, 'allowed_tools is empty', { grants: whole, server: { allowedTools: new Set() } }],
    [false, 'disallowed_tools has it', { grants: whole, server: { disallowedTools: new Set(['gh-read']) } }],
    [
      false,
      'disallowed_tools has it, for admins too',
      { principal: { admin: true }, server: { disallowedTools: new Set(['read']) } },
    ],
    [
      true,
      'allowed_tools wins over disallowed_tools',
      { grants: whole, server: { allowedTools: new Set(['read']), disallowedTools: new Set(['read']) } },
    ],
    [true, 'a prompt of a whole server', { grants: whole, kind: 'prompt' }],
    [
      false,
      'a prompt where only tools are granted',
      { kind: 'prompt', grants: { toolsByServer: new Map([['gh', new Set(['read'])]]) } },
    ],
    [true, 'the server itself, granted whole', { grants: whole, kind: 'server' }],
    [
      false,
      'the server itself, narrowed to some tools',
      { grants: { ...whole, toolsByServer: new Map([['gh', new Set(['read'])]]) }, kind: 'server' },
    ],
  ])('%s: %s', (expected, _, request) => {
    expect(allowed(request)).toBe(expected)
  })

  it('lets a tool entry show its server', () => {
    const grants = { ...noGrants, toolsByServer: new Map([['gh', new Set(['read'])]]) }
    expect(permitsServer(principalOf({ grants }), plain, noToolsets)).toBe(true)
    expect(permitsServer(principalOf({ grants: { ...grants, noServers: true } }), plain, noToolsets)).toBe(false)
  })
})

describe('what is read of a principal', () => {
  const grants: Partial<Grants>[] = [
    {},
    { allServers: true },
    { noServers: true },
    { servers: new Set(['gh']) },
    { accessGroups: new Set(['gh']) },
    { toolsByServer: new Map([['gh', new Set(['read'])]]) },
    { blockedTools: new Set(['gh']) },
  ]

  it('is another for every grant that decides, and the same for whoever has the same', () => {
    const basis = (principal: Partial<Principal>, server = plain) =>
      JSON.stringify(permitBasis(principalOf(principal), [server], noToolsets), (_key, value) =>
        value instanceof Object && Symbol.iterator in value ? [...value] : value,
      )
    const others = grants.map((some) => ({ grants: { ...noGrants, ...some } }))
    const all = [...others, { ...others[0], admin: true }].map((principal) => basis(principal))
    expect(new Set(all).size).toBe(all.length)
    const [ann, bob] = [{ keyHash: 'a' }, { keyHash: 'b' }]
    expect(basis(ann)).toBe(basis(bob))
    const named = { ...plain, grantedKeyHashes: new Set(['a']) }
    expect(basis(ann, named)).not.toBe(basis(bob, named))
  })
})
