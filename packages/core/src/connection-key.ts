import { createHmac, randomBytes } from 'node:crypto'
import type { Caller } from './caller.ts'
import { type Scope, sharedScope } from './credential.ts'
import type { Isolation, ServerDefinition } from './server.ts'

/**
 * The one key under which anything upstream is kept: connections, sessions, catalogs, negotiation memos, tokens.
 * Two requests share state exactly where this string is equal, so whose credential it is, is part of it, and a server
 * whose definition changed shares nothing with its former self.
 */
export function connectionKey(
  server: Pick<ServerDefinition, 'id' | 'revision'>,
  scope: Scope,
  isolation: { readonly kind: Isolation; readonly of?: string } = { kind: 'server' },
): string {
  return JSON.stringify([
    server.id,
    server.revision,
    scope.kind === 'shared' ? null : scope.holder,
    isolation.kind,
    isolation.of ?? null,
  ])
}

/** Digests of what callers bring, keyed with a value that dies with the process: useless outside it. */
const digestKey = randomBytes(32)

/**
 * The scope of a credential that the caller brought: its principal, and unless the key is bound to one user also a digest
 * of what was brought, so that two people behind one key never meet.
 */
export function callerScope({ principal }: Pick<Caller, 'principal'>, brought: readonly string[]): Scope {
  if (brought.length === 0) return sharedScope
  if (principal.userId !== undefined) return { kind: 'holder', holder: principal.id }
  const digest = createHmac('sha256', digestKey).update(JSON.stringify(brought)).digest('base64url')
  return { kind: 'holder', holder: `${principal.id}:${digest}` }
}
