import { type Caller, type Credential, GatewayError } from '@toolgate/core'
import type { ManagedServer } from './registry/managed-server.ts'
import { type Passage, showsItself } from './upstream/circuit.ts'
import { type Connection, SessionExpired } from './upstream/connection.ts'
import { tellLogLevel } from './upstream/log-level.ts'
import type { Lease, Pool } from './upstream/pool.ts'
import type { Upstreams } from './upstream/upstreams.ts'

/**
 * One use of an upstream: resolve a credential, borrow a connection that belongs to it, use it. It repeats in two
 * cases, once each, because in both the upstream refused before it did anything: the credential was rejected and another
 * can be had, or the session was no longer known. After any other failure a call may have had its effect.
 */
export interface ConnectionUse<Result> {
  readonly server: ManagedServer
  /** Absent for discovery. */
  readonly caller: Caller | undefined
  readonly signal: AbortSignal
  /** The connection is this caller's, whatever the server and its operator say. */
  readonly perCaller?: boolean | undefined
  /** Tries also where the circuit of the server is open: somebody wants to know how it is at this moment. */
  readonly despiteCircuit?: boolean | undefined
  /** Called again after a rejection. */
  resolve(): Promise<Credential>
  use(connection: Connection, credential: Credential): Promise<Result>
  /** Whether the server itself was asked for this result; where absent, it was. */
  asked?(result: Result): boolean
}

/** Rejects with a `GatewayError`; a credential that only its owner can replace becomes `UPSTREAM_SIGN_IN_REQUIRED`. */
export async function withConnection<Result>(
  { pool, circuits }: Upstreams,
  request: ConnectionUse<Result>,
): Promise<Result> {
  const { server, caller, despiteCircuit } = request
  const passage = circuits.enter(server, { despite: despiteCircuit, principal: caller?.principal.id })
  const ways = { pool, passage }
  // No `using` on the way of every call: the engine makes a stack of disposables for each.
  try {
    const credential = await request.resolve()
    try {
      return await withSession(ways, request, credential)
    } catch (error) {
      if (!isRejection(error)) throw error
      if (!isReplaceable(credential, error)) throw signInOr(error, server, credential)
    }
    const fresh = await request.resolve()
    try {
      return await withSession(ways, request, fresh)
    } catch (error) {
      if (!isRejection(error)) throw error
      isReplaceable(fresh, error)
      throw signInOr(error, server, fresh)
    }
  } finally {
    passage[Symbol.dispose]()
  }
}

interface Ways {
  readonly pool: Pool
  readonly passage: Passage
}

/** Twice where the first session turns out to be over. */
async function withSession<Result>(
  { pool, passage }: Ways,
  { server, caller, signal, perCaller, use, asked = () => true }: ConnectionUse<Result>,
  credential: Credential,
): Promise<Result> {
  for (let isSecond = false; ; isSecond = true) {
    let lease: Lease | undefined
    try {
      const lent = pool.acquire({ server, credential, caller, perCaller, signal })
      lease = lent instanceof Promise ? await lent : lent
      const level = caller?.peer.logLevel
      if (level !== undefined) await tellLogLevel(lease, { level, headers: credential.headers(), signal })
      const result = await use(lease.connection, credential)
      if (asked(result)) passage.reached()
      return result
    } catch (error) {
      if (!(error instanceof SessionExpired)) {
        if (showsItself(error)) passage.reached()
        else passage.failed(error, witnessOf(server, caller, credential))
        throw error
      }
      passage.reached()
      lease?.discard()
      if (isSecond) throw forgotten(server, error)
    } finally {
      lease?.[Symbol.dispose]()
    }
  }
}

function forgotten({ name }: ManagedServer, cause: SessionExpired): GatewayError {
  return new GatewayError('UPSTREAM_PROTOCOL', `MCP server "${name}" forgot a session that it had just opened.`, {
    cause,
    details: { server: name, stage: 'call' },
  })
}

/**
 * Whose failure it may be. What a caller leaves out counts as much as what it brings: a server may choke on a request that
 * lacks a header. Only where nothing of a caller's can get there it is the server's failure whoever asked.
 */
function witnessOf(
  { transport }: ManagedServer,
  caller: Caller | undefined,
  { scope }: Credential,
): string | undefined {
  return scope.kind === 'shared' && !transport.sendsHeaders ? undefined : caller?.principal.id
}

/** Whether resolving again can yield another one; whoever presented it hears how it was refused. */
function isReplaceable(credential: Credential, { details }: GatewayError): boolean {
  return credential.rejected(details.upstream_status, details.challenge)
}

function isRejection(error: unknown): error is GatewayError {
  return error instanceof GatewayError && error.code === 'UPSTREAM_CREDENTIAL_REJECTED'
}

/** The service's own credential is the operator's to replace; anything else, or nothing at all, the caller's. */
function signInOr(rejection: GatewayError, server: ManagedServer, credential: Credential): GatewayError {
  const told = credential.refusal?.()
  if (told !== undefined) return told
  const ownedByService = credential.scope.kind === 'shared' && credential.type !== 'none'
  if (ownedByService) return rejection
  const { challenge, ...details } = rejection.details
  // Where the gateway relays sign-ins or keeps accounts, a client is led by the gateway: the server's own word would lead past it.
  const brought = credential.type === 'caller'
  const isLed = server.auth.relay !== undefined || (server.auth.userTokens !== undefined && !brought)
  const theirs = !isLed && challenge !== undefined ? { challenge } : {}
  const url = credential.connectUrl?.()
  const page = url === undefined ? '' : ` The page to sign in: ${url}`
  return new GatewayError(
    'UPSTREAM_SIGN_IN_REQUIRED',
    `MCP server "${server.name}" wants a credential of yours: sign in there, or send one with the request.${page}`,
    {
      cause: rejection,
      details: { ...details, ...theirs, server: server.name, ...(url !== undefined && { connect_url: url }) },
    },
  )
}
