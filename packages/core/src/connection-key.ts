import { createHmac, randomBytes } from 'node:crypto'
import type { Caller } from './caller.ts'
import { type Scope, sharedScope } from './credential.ts'
import type { ProtocolEra } from './era.ts'
import type { Isolation, ServerDefinition } from './server.ts'

/**
 * The one key under which anything of an upstream is kept: connections, sessions, catalogs, what was learnt of it.
 * Two requests share state exactly where this string is equal, so whose credential it is, is part of it, and a server
 * whose definition changed shares nothing with its former self.
 */
export function connectionKey(
  server: Pick<ServerDefinition, 'id' | 'revision'>,
  scope: Scope,
  isolation: Isolated = { kind: 'server' },
): string {
  const holder = scope.kind === 'shared' ? null : scope.holder
  const of = isolation.of ?? null
  const { kind, era } = isolation
  const make = () => keyOf(server, [holder, kind, of, ...(era === undefined ? [] : [era])])
  if (holder !== null || of !== null || kind !== 'server') return make()
  const known = sharedKeys.get(server)?.[era ?? 'newest']
  if (known !== undefined) return known
  const key = make()
  sharedKeys.set(server, { ...sharedKeys.get(server), [era ?? 'newest']: key })
  return key
}

/** How far something is shared, and by whom. */
export interface Isolated {
  readonly kind: Isolation
  readonly of?: string
  /** Where a server speaks more than one, and this is for another than the newest. */
  readonly era?: ProtocolEra
}

/** The keys of what everybody shares, which nearly every call asks for several times; as long as the definition lives. */
const sharedKeys = new WeakMap<object, Partial<Record<ProtocolEra | 'newest', string>>>()

function keyOf({ id, revision }: Pick<ServerDefinition, 'id' | 'revision'>, rest: readonly (string | null)[]): string {
  return JSON.stringify([id, revision, ...rest])
}

/**
 * The scope of a credential that the caller brought: its principal, and unless the key is bound to one user also a digest
 * of what was brought, so that two people behind one key never meet.
 */
export type CallerScope = (caller: Pick<Caller, 'principal'>, brought: readonly string[]) => Scope

/** Scopes of one maker can be compared with each other only. The digest's key dies with it: digests are useless outside. */
export function createCallerScope(digestKey: Uint8Array = randomBytes(32)): CallerScope {
  return ({ principal }, brought) => {
    if (brought.length === 0) return sharedScope
    if (principal.userId !== undefined) return { kind: 'holder', holder: principal.id }
    const digest = createHmac('sha256', digestKey).update(JSON.stringify(brought)).digest('base64url')
    return { kind: 'holder', holder: `${principal.id}:${digest}` }
  }
}

/** The scope of two credentials that are sent together: it is one holder's as soon as either is. */
export function joinScopes(first: Scope, second: Scope): Scope {
  if (first.kind === 'shared') return second
  if (second.kind === 'shared') return first
  return { kind: 'holder', holder: JSON.stringify([first.holder, second.holder]) }
}
