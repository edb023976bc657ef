import { describe, expect, it } from 'vitest'
import { connectionKey, createCallerScope, joinScopes } from './connection-key.ts'
import { sharedScope } from './credential.ts'
import { noGrants, type Principal } from './principal.ts'

const server = { id: 'server', revision: '1' }

function principal(overrides: Partial<Principal>): Principal {
  return {
    source: 'virtual_key',
    id: 'key',
    keyHash: 'key',
    admin: false,
    autoTools: false,
    toolSearch: false,
    grants: noGrants,
    ...overrides,
  }
}

describe('connectionKey', () => {
  it('differs in every part: server, revision, scope, isolation and whose', () => {
    const scope = { kind: 'holder', holder: 'one' } as const
    const keys = [
      connectionKey(server, sharedScope),
      connectionKey({ ...server, id: 'other' }, sharedScope),
      connectionKey({ ...server, revision: '2' }, sharedScope),
      connectionKey(server, scope),
      connectionKey(server, { kind: 'holder', holder: 'two' }),
      connectionKey(server, scope, { kind: 'session', of: 'a' }),
      connectionKey(server, scope, { kind: 'session', of: 'b' }),
      connectionKey(server, scope, { kind: 'principal', of: 'a' }),
    ]
    expect(new Set(keys).size).toBe(keys.length)
  })

  it('cannot be forged by names that hold its own punctuation', () => {
    expect(connectionKey({ id: 'a","b', revision: 'c' }, sharedScope)).not.toBe(
      connectionKey({ id: 'a', revision: 'b","c' }, sharedScope),
    )
  })
})

describe('a caller’s scope', () => {
  const callerScope = createCallerScope()

  it('is shared where the caller brought nothing', () => {
    expect(callerScope({ principal: principal({}) }, [])).toEqual(sharedScope)
  })

  it('separates two people behind one key by what they bring', () => {
    const one = callerScope({ principal: principal({}) }, ['Bearer one'])
    const two = callerScope({ principal: principal({}) }, ['Bearer two'])
    expect(one).not.toEqual(two)
    expect(JSON.stringify(one)).not.toContain('Bearer one')
  })

  it('stays the same for a user whose token rotates', () => {
    const user = principal({ id: 'user', userId: 'user' })
    expect(callerScope({ principal: user }, ['old'])).toEqual(callerScope({ principal: user }, ['new']))
  })

  it('means nothing to another maker: its digests are keyed', () => {
    expect(createCallerScope()({ principal: principal({}) }, ['one'])).not.toEqual(
      callerScope({ principal: principal({}) }, ['one']),
    )
  })

  it('joined with that of the credential beside it belongs to whoever either belongs to', () => {
    const one = { kind: 'holder', holder: 'one' } as const
    const two = { kind: 'holder', holder: 'two' } as const
    expect(joinScopes(sharedScope, sharedScope)).toEqual(sharedScope)
    expect([joinScopes(one, sharedScope), joinScopes(sharedScope, one)]).toEqual([one, one])
    const scopes = [one, two, joinScopes(one, two), joinScopes(two, one)]
    expect(new Set(scopes.map((scope) => JSON.stringify(scope))).size).toBe(scopes.length)
  })
})
