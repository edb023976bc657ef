/**
 * What users hand over for a server as it is: a key of their own, or values of variables. Kept in the vault of their tokens, with
 * its seal, its memory and its end, but never renewed. What was handed over for another identity of the server is none.
 */
import { createHash } from 'node:crypto'
import { type Clock, GatewayError, type NewId, type ServerDefinition, type UserSecretAccess } from '@toolgate/core'
import type { createKnownTokens } from './known-tokens.ts'
import type { TokenSeal } from './token-seal.ts'
import type { UserTokenMemory } from './user-token-memory.ts'
import type { HeldKind, UserTokenStore } from './user-token-store.ts'

export interface HeldSecretsOptions {
  readonly store: UserTokenStore
  readonly memory: Pick<UserTokenMemory, 'forget'>
  readonly seal: TokenSeal
  readonly known: ReturnType<typeof createKnownTokens>
  readonly clock: Clock
  readonly newId: NewId
}

/** `identity` says what it is handed over for: another text is another server. */
export type HeldSecrets = (kind: HeldKind, identity: string) => UserSecretAccess

export function createHeldSecrets({ store, memory, seal, known, clock, newId }: HeldSecretsOptions): HeldSecrets {
  return (kind, text) => {
    const identity = createHash('sha256')
      .update(JSON.stringify(['held', kind, text]))
      .digest('hex')
    const holderOf = (server: ServerDefinition, owner: string) => ({ owner, serverId: server.id, kind })
    return {
      identityOf: () => identity,
      async read(server, owner) {
        const found = await known(holderOf(server, owner), identity)
        return found && { id: found.row.id, secret: found.tokens.access, keptAt: found.row.connectedAt }
      },
      async keep({ server, owner }, next) {
        const holder = holderOf(server, owner)
        await store.save(holder, async (former) => {
          const isSame = former?.identity === identity
          const before = isSame ? await seal.open(former.sealed, holder).catch(unlessDamaged) : undefined
          const tokens = { access: next(before?.access), refresh: undefined, party: undefined }
          return {
            id: newId('user_token'),
            serverName: server.name,
            identity,
            sealed: await seal.seal(tokens, holder),
            scopes: [],
            expiresAt: null,
            refreshable: false,
            connectedAt: new Date(clock.now()),
          }
        })
        memory.forget(holder)
      },
      async remove(server, owner) {
        const holder = holderOf(server, owner)
        memory.forget(holder)
        return (await store.remove(holder)) !== undefined
      },
    }
  }
}

/** What no key opens any more is lost, and must not keep its user from putting another in its place. */
function unlessDamaged(error: unknown): undefined {
  if (error instanceof GatewayError && error.code === 'INTERNAL') return undefined
  throw error
}
