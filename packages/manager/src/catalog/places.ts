import {
  type Caller,
  connectionKey,
  type Credential,
  type CredentialSource,
  type Isolated,
  sharedScope,
} from '@toolgate/core'
import type { ListKind } from '../methods.ts'
import type { ManagedServer } from '../registry/managed-server.ts'
import { isolatedFor, seesItsClient, usableCapabilities, wantedEra } from '../upstream/isolation.ts'
import type { EntryKey } from './entries.ts'

/** One list: of this server, of this kind, read with this credential. */
export interface Place extends EntryKey {
  readonly server: ManagedServer
  readonly kind: ListKind
  readonly caller: Caller | undefined
  /** It is read with a credential of the service, and not of anybody's own. */
  readonly isShared: boolean
  resolve(signal: AbortSignal): Promise<Credential>
}

export interface Places {
  /** The service's own list. Where only a user's token opens the server, resolving its credential says so. */
  shared(server: ManagedServer, kind: ListKind): Place
  /**
   * The list of what the caller brought or keeps here, or of its session where the server can ask the client back; absent
   * where it has none of its own. Rejects where its credential cannot be had.
   */
  own(server: ManagedServer, request: OwnRequest): Promise<Place | undefined>
}

export interface OwnRequest {
  readonly kind: ListKind
  readonly caller: Caller
  /** Where the request names one server and no other: that one. */
  readonly onlyServer: ManagedServer | undefined
}

export function createPlaces(credentials: CredentialSource): Places {
  const sharedPlace = (server: ManagedServer, kind: ListKind): Place => ({
    key: `${kind} ${connectionKey(server, sharedScope)}`,
    holder: undefined,
    server,
    kind,
    caller: undefined,
    isShared: true,
    resolve: (signal) => credentials.forDiscovery(server, signal),
  })
  // Nearly every call asks for one. They live as long as the definition of their server.
  const known = new WeakMap<ManagedServer, Map<ListKind, Place>>()

  return {
    shared(server, kind) {
      const before = known.get(server)?.get(kind)
      if (before !== undefined) return before
      const place = sharedPlace(server, kind)
      known.set(server, (known.get(server) ?? new Map<ListKind, Place>()).set(kind, place))
      return place
    },
    async own(server, { kind, caller, onlyServer }) {
      // The reading may be for others as well, who wait for it when this caller has left.
      const resolve = (signal: AbortSignal) =>
        credentials.forCaller(server, { ...caller, signal }, { onlyServer: onlyServer?.id === server.id })
      const { scope } = await resolve(caller.signal)
      const era = server.transport.eraFor?.(wantedEra(caller), scope)
      const session = seesItsClient(server, caller, era) ? sessionOf(server, caller) : undefined
      if (scope.kind === 'shared' && session === undefined) return undefined
      return {
        key: `${kind} ${connectionKey(server, scope, session)}`,
        holder: caller.principal.id,
        server,
        kind,
        caller,
        isShared: scope.kind === 'shared',
        resolve,
      }
    },
  }
}

/** A client without a session is told from others of its principal by what it can be asked. */
function sessionOf(server: ManagedServer, caller: Caller): Isolated {
  const { principal, peer } = caller
  if (peer.sessionId === undefined) {
    return { kind: 'call', of: JSON.stringify([principal.id, usableCapabilities(server, peer)]) }
  }
  const of = isolatedFor('session', { server, caller, callId: () => '' })
  return of === undefined ? { kind: 'session' } : { kind: 'session', of }
}
