import { connectionKey, type Isolated, type Isolation, type ProtocolEra, type Scope, sharedScope } from '@toolgate/core'
import { isolatedFor, isolationFor, wantedEra } from './isolation.ts'
import type { AcquireRequest } from './pool.ts'

/** Where in the pool a connection is: how far it is shared, and whose quota pays. */
export interface Place {
  readonly kind: Isolation
  readonly scope: Scope
  readonly wanted: ProtocolEra
  /** Under which is remembered whether the server keeps sessions there. */
  readonly memory: string
  readonly isolation: Isolated
  readonly holder: string | undefined
  /** The principal behind the holder, who may hold many credentials; undefined where everybody shares. */
  readonly payer: string | undefined
}

export interface PlaceContext {
  readonly isSessionless: (memory: string) => boolean
  /** New for each call. */
  readonly callId: () => string
}

export function placeOf({ server, caller, credential, perCaller }: AcquireRequest, context: PlaceContext): Place {
  // What a caller brings cannot make a difference where no request carries it; it must not make a process either, unless it
  // is what the process is started with.
  const { transport, environmentTemplates = [] } = server
  const scope = transport.sendsHeaders || environmentTemplates.length > 0 ? credential.scope : sharedScope
  const wanted = wantedEra(caller)
  const era = transport.eraFor === undefined ? 'legacy' : transport.eraFor(wanted, scope)
  // A server that speaks both is two servers: one may keep sessions and the other none. A process speaks one.
  const bothEras = transport.eraFor !== undefined && transport.sharing !== 'always'
  const apart = bothEras && wanted === 'legacy' ? ({ era: wanted } as const) : undefined
  const memory = connectionKey(server, scope, apart && { kind: 'server', ...apart })
  const kind = isolationFor({ server, caller, perCaller, sessionless: context.isSessionless(memory), era })
  const of = isolatedFor(kind, { server, caller, callId: context.callId })
  const owner = kind === 'server' ? undefined : caller?.principal.id
  return {
    kind,
    scope,
    wanted,
    memory,
    isolation: { kind, ...(of !== undefined && { of }), ...apart },
    holder: scope.kind === 'holder' ? scope.holder : owner,
    payer: scope.kind === 'holder' ? caller?.principal.id : owner,
  }
}
