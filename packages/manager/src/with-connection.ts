import { type Caller, type Credential, GatewayError } from '@toolgate/core'
import type { ManagedServer } from './registry/managed-server.ts'
import { type Connection, SessionExpired } from './upstream/connection.ts'
import type { Pool } from './upstream/pool.ts'

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
  /** Called again after a rejection. */
  resolve(): Promise<Credential>
  use(connection: Connection, credential: Credential): Promise<Result>
}

/** Rejects with a `GatewayError`; a credential that only its owner can replace becomes `UPSTREAM_SIGN_IN_REQUIRED`. */
export async function withConnection<Result>(pool: Pool, request: ConnectionUse<Result>): Promise<Result> {
  const credential = await request.resolve()
  try {
    return await withSession(pool, request, credential)
  } catch (error) {
    if (!isRejection(error)) throw error
    if (!credential.rejected()) throw signInOr(error, request.server, credential)
  }
  const fresh = await request.resolve()
  try {
    return await withSession(pool, request, fresh)
  } catch (error) {
    if (!isRejection(error)) throw error
    fresh.rejected()
    throw signInOr(error, request.server, fresh)
  }
}

async function withSession<Result>(
  pool: Pool,
  request: ConnectionUse<Result>,
  credential: Credential,
): Promise<Result> {
  try {
    return await once(pool, request, credential)
  } catch (error) {
    if (!(error instanceof SessionExpired)) throw error
  }
  try {
    return await once(pool, request, credential)
  } catch (error) {
    if (!(error instanceof SessionExpired)) throw error
    const { name } = request.server
    throw new GatewayError('UPSTREAM_PROTOCOL', `MCP server "${name}" forgot a session that it had just opened.`, {
      cause: error,
      details: { server: name, stage: 'call' },
    })
  }
}

async function once<Result>(
  pool: Pool,
  { server, caller, signal, use }: ConnectionUse<Result>,
  credential: Credential,
): Promise<Result> {
  await using lease = await pool.acquire({ server, credential, caller, signal })
  try {
    return await use(lease.connection, credential)
  } catch (error) {
    if (error instanceof SessionExpired) lease.discard()
    throw error
  }
}

function isRejection(error: unknown): error is GatewayError {
  return error instanceof GatewayError && error.code === 'UPSTREAM_CREDENTIAL_REJECTED'
}

/** The service's own credential is the operator's to replace; anything else, or nothing at all, the caller's. */
function signInOr(rejection: GatewayError, server: ManagedServer, credential: Credential): GatewayError {
  const ownedByService = credential.scope.kind === 'shared' && credential.type !== 'none'
  if (ownedByService) return rejection
  return new GatewayError(
    'UPSTREAM_SIGN_IN_REQUIRED',
    `MCP server "${server.name}" wants a credential of yours: sign in there, or send one with the request.`,
    { cause: rejection, details: { ...rejection.details, server: server.name } },
  )
}
