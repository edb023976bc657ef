import { type AuthorizedCall, type CredentialSource, eraOfVersion } from '@toolgate/core'
import { withoutEnvelope } from './modern/envelope.ts'
import type { ManagedServer } from './registry/managed-server.ts'
import type { Exchange } from './rounds/exchange.ts'
import { refusedForCapabilities } from './rounds/input-required.ts'
import { withoutRounds } from './rounds/rounds.ts'
import type { SubscriptionGaps } from './sessions/subscription-gaps.ts'
import { usableCapabilities } from './upstream/isolation.ts'
import type { Upstreams } from './upstream/upstreams.ts'
import { withConnection } from './with-connection.ts'

export interface ExchangeOptions extends Upstreams {
  readonly credentials: CredentialSource
  /** Told of subscriptions that upstreams took. */
  readonly gaps?: SubscriptionGaps | undefined
}

/** Where a call goes, and whether its request names that server and no other. */
export interface Destination {
  readonly server: ManagedServer
  readonly onlyServer: ManagedServer | undefined
  /** What is sent is not understood here, so what it leaves behind must be the caller's alone. */
  readonly perCaller: boolean
}

/** The centre of the rings: credential, connection, request. */
export function exchanging({ credentials, pool, circuits, gaps }: ExchangeOptions) {
  return ({ caller, trace, method }: AuthorizedCall, { server, onlyServer, perCaller }: Destination): Exchange =>
    ({ params, peer, signal }) =>
      withConnection(
        { pool, circuits },
        {
          server,
          caller,
          perCaller,
          signal,
          async resolve() {
            const credential = await credentials.forCaller(server, caller, { onlyServer: onlyServer?.id === server.id })
            trace.credentialType = credential.type
            trace.credentialScope = credential.scope.kind
            return credential
          },
          async use(connection, credential) {
            const era = eraOfVersion(connection.handshake.protocolVersion)
            const crossed = era === 'legacy' && caller.peer.era === 'modern'
            const asked = withoutEnvelope(params)
            const answering = connection.request({
              method,
              params: crossed ? withoutRounds(asked) : asked,
              headers: credential.headers(),
              signal,
              idleTimeoutMs: server.timeouts.callMs,
              totalTimeoutMs: server.timeouts.callTotalMs,
              peer,
              clientCapabilities: usableCapabilities(server, caller.peer),
            })
            const refused = (error: unknown) => {
              throw refusedForCapabilities(error, server.name)
            }
            const result = await (era === 'modern' ? answering.catch(refused) : answering)
            if (method === 'resources/subscribe') gaps?.subscribed({ server, caller, uri: params['uri'], connection })
            if (method === 'resources/unsubscribe') gaps?.unsubscribed({ server, caller, uri: params['uri'] })
            return { result, era }
          },
        },
      )
}
