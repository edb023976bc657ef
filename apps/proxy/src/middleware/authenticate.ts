import {
  type Authenticate,
  carries,
  type HeaderList,
  type HeaderNames,
  mergeForwarded,
  readPresented,
  type WithoutOwnKeys,
} from '@toolgate/auth'
import { type Caller, GatewayError, type NewId, type Principal, silentPeer } from '@toolgate/core'
import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import type { AppEnv } from '../app-env.ts'
import { doorOf } from '../door.ts'
import { isForPath } from '../oauth-endpoint.ts'
import { isPublicPath } from '../public-paths.ts'

export interface AuthenticateOptions {
  readonly authenticate: Authenticate
  readonly withoutOwnKeys: WithoutOwnKeys
  /** Asked anew for each request: a reload may change them. */
  readonly headerNames: () => HeaderNames
  readonly newId: NewId
}

/**
 * Turns the request's credential into its Caller, once, for every route but the public ones. What the caller brought for
 * upstreams is set aside in the same step; nothing behind this reads a credential header.
 */
export function authenticate({ authenticate: admit, withoutOwnKeys, headerNames, newId }: AuthenticateOptions) {
  return createMiddleware<AppEnv>(async function authenticate(context, next) {
    if (isPublicPath(context.req.path)) return next()
    const names = headerNames()
    const { credential, credentialHeader, forwarded } = readPresented(headersOf(context), names)
    const signal = clientSignal(context)
    const { path } = context.req
    const caller: Caller = {
      principal: refuseElsewhere(await admit(credential, signal), path),
      forwarded: await withoutOwnKeys(forwarded, signal),
      signal,
      request: { requestId: context.get('requestId'), traceId: newId('trace'), door: doorOf(context.req.path) },
      peer: silentPeer,
    }
    context.set('caller', caller)
    context.set('admission', {
      credentialHeader,
      isIn: (text) => carries(text, credential),
      async callerWith(headers) {
        const merged = mergeForwarded(caller.forwarded, headers, { ...names, credential })
        return { ...caller, forwarded: await withoutOwnKeys(merged, signal) }
      },
      again: async (still) => refuseElsewhere(await admit(credential, still), path),
    })
    return next()
  })
}

/** A token that was given for one endpoint is no credential at another (RFC 8707 §2), nor at any other door. */
function refuseElsewhere(principal: Principal, path: string): Principal {
  const { audience } = principal
  if (audience === undefined || isForPath(audience, path)) return principal
  throw new GatewayError('CREDENTIAL_INVALID', 'Authentication Error, the access token was given for another endpoint.')
}

/** The headers as they came. Behind the server they are read where they are: a `Headers` would copy each of them. */
function headersOf(context: Context<AppEnv>): HeaderList {
  const { incoming } = context.env ?? {}
  return incoming === undefined ? context.req.raw.headers : headerPairs(incoming.rawHeaders)
}

function* headerPairs(raw: readonly string[]): Generator<readonly [name: string, value: string]> {
  for (let index = 0; index + 1 < raw.length; index += 2) yield [raw[index] ?? '', raw[index + 1] ?? '']
}

/**
 * Aborted when the client goes away before it has its answer. Listens to the response itself: the signal of the Request
 * would make the server build a whole Request for every call.
 */
function clientSignal(context: Context<AppEnv>): AbortSignal {
  const { outgoing } = context.env ?? {}
  if (outgoing === undefined) return context.req.raw.signal
  const gone = new AbortController()
  outgoing.once('close', () => {
    if (!outgoing.writableFinished) gone.abort(new GatewayError('CANCELLED', 'The client hung up.'))
  })
  return gone.signal
}
