import {
  type Authenticate,
  carries,
  type HeaderList,
  type HeaderNames,
  mergeForwarded,
  readPresented,
  withKeyOfQuery,
  type WithoutOwnKeys,
} from '@toolgate/auth'
import {
  type Caller,
  type Clock,
  type Forwarded,
  GatewayError,
  type NewId,
  type Principal,
  silentPeer,
} from '@toolgate/core'
import type { Context } from 'hono'
import type { AppEnv } from '../app-env.ts'
import { doorOf } from '../door.ts'
import { isForPath } from '../oauth-endpoint.ts'
import { isPublicPath } from '../public-paths.ts'
import type { StandingCallers } from '../standing-callers.ts'
import type { Passage } from './joined.ts'

export interface AuthenticateOptions {
  readonly authenticate: Authenticate
  readonly withoutOwnKeys: WithoutOwnKeys
  /** Asked anew for each request: a reload may change them. */
  readonly headerNames: () => HeaderNames
  readonly newId: NewId
  readonly clock: Clock
  readonly standing: Pick<StandingCallers, 'watch'>
}

/** Characters of a name that the ledger keeps. */
const longestProgramName = 200

/**
 * Turns the request's credential into its Caller, once, for every route but the public ones. What the caller brought for
 * upstreams is set aside in the same step; nothing behind this reads a credential header.
 */
export function authenticate(options: AuthenticateOptions): Passage {
  const { authenticate: admit, withoutOwnKeys, headerNames, newId, standing, clock } = options
  return async function authenticate(context, next) {
    if (isPublicPath(context.req.path)) return next()
    const names = headerNames()
    const { credential, credentialHeader, forwarded } = readPresented(presentedIn(context), names)
    const client = clientOf(context)
    const { signal } = client
    const { path } = context.req
    const again = async (by: AbortSignal) => refuseElsewhere(await admit(credential, by), path)
    const admittedAt = clock.now()
    const still = async (by: AbortSignal) => refuseElsewhere(await admit(credential, by, admittedAt), path)
    const principal = refuseElsewhere(await admit(credential, signal), path)
    const filtered = withoutOwnKeys(forwarded, signal)
    const brought = filtered instanceof Promise ? await filtered : filtered
    const request = { requestId: context.get('requestId'), traceId: newId('trace'), door: doorOf(path) }
    const caller: Caller = {
      principal,
      forwarded: brought,
      signal,
      request: { ...request, client: programOf(brought) },
      peer: silentPeer,
      vouchedBy: principal.source === 'jwt' ? credential : undefined,
    }
    context.set('caller', caller)
    context.set('admission', {
      credentialHeader,
      isIn: (text) => carries(text, credential),
      async callerWith(headers) {
        const merged = mergeForwarded(caller.forwarded, headers, { ...names, credential })
        return { ...caller, forwarded: await withoutOwnKeys(merged, signal) }
      },
      again,
      still,
    })
    client.onEnd(standing.watch({ still, dismiss: client.abort }))
    try {
      await next()
    } finally {
      client.answered()
    }
  }
}

/** Of what was brought, where no key of this gateway is left. */
function programOf({ headers }: Forwarded): string | undefined {
  return headers.get('user-agent')?.reveal().slice(0, longestProgramName)
}

/** A token that was given for one endpoint is no credential at another (RFC 8707 §2), nor at any other door. */
function refuseElsewhere(principal: Principal, path: string): Principal {
  const { audience } = principal
  if (audience === undefined || isForPath(audience, path)) return principal
  throw new GatewayError('CREDENTIAL_INVALID', 'Authentication Error, the access token was given for another endpoint.')
}

function presentedIn(context: Context<AppEnv>): HeaderList {
  const headers = headersOf(context)
  return doorOf(context.req.path) === 'gemini' ? withKeyOfQuery(headers, context.req.query('key')) : headers
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
 * Whether anybody waits for the answer. Listens to the response itself: the signal of the Request would make the server build
 * a whole Request for every call.
 */
function clientOf({ env, req }: Context<AppEnv>) {
  const { outgoing } = env ?? {}
  const gone = new AbortController()
  const abort = (reason: unknown) => gone.abort(reason)
  let end = () => {}
  if (outgoing === undefined) {
    const { signal } = req.raw
    const leave = () => abort(signal.reason)
    if (signal.aborted) leave()
    signal.addEventListener('abort', leave, { once: true })
  }
  outgoing?.once('close', () => {
    end()
    if (!outgoing.writableFinished) abort(new GatewayError('CANCELLED', 'The client hung up.'))
  })
  return {
    /** Aborted when the client goes away before it has its answer. */
    signal: gone.signal,
    abort,
    onEnd(run: () => void) {
      if (outgoing?.destroyed === true) run()
      end = run
    },
    /** A request in process has no connection that would tell its end. */
    answered() {
      if (outgoing === undefined) end()
    },
  }
}
