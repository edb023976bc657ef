import { type Caller, connectionKey, type Credential, type CredentialSource, sharedScope } from '@toolgate/core'
import type { ListKind } from '../methods.ts'
import type { ManagedServer } from '../registry/managed-server.ts'
import type { EntryKey } from './entries.ts'

/** One list: of this server, of this kind, read with this credential. */
export interface Place extends EntryKey {
  readonly server: ManagedServer
  readonly kind: ListKind
  readonly caller: Caller | undefined
  resolve(signal: AbortSignal): Promise<Credential>
}

export interface Places {
  /** The service's own list. Where only a user's token opens the server, resolving its credential says so. */
  shared(server: ManagedServer, kind: ListKind): Place
  /**
   * The list of what the caller brought or keeps here; absent where that is nothing. Rejects where its credential cannot
   * be had.
   */
  own(server: ManagedServer, request: { readonly kind: ListKind; readonly caller: Caller }): Promise<Place | undefined>
}

export function createPlaces(credentials: CredentialSource): Places {
  return {
    shared: (server, kind) => ({
      key: `${kind} ${connectionKey(server, sharedScope)}`,
      holder: undefined,
      server,
      kind,
      caller: undefined,
      resolve: (signal) => credentials.forDiscovery(server, signal),
    }),
    async own(server, { kind, caller }) {
      const { scope } = await credentials.forCaller(server, caller)
      if (scope.kind === 'shared') return undefined
      return {
        key: `${kind} ${connectionKey(server, scope)}`,
        holder: caller.principal.id,
        server,
        kind,
        caller,
        resolve: () => credentials.forCaller(server, caller),
      }
    },
  }
}
