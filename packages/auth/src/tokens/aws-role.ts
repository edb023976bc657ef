/**
 * Sessions of a role at AWS: `AssumeRole` of the Security Token Service, signed with the operator's keys. A session is in memory alone, and
 * used until shortly before its end. Any number of first calls ask once; failures are not kept.
 */
import { randomBytes } from 'node:crypto'
import {
  classifyOutboundFailure,
  type Clock,
  createSingleFlight,
  GatewayError,
  type Outbound,
  Secret,
  type ServerDefinition,
  startDeadline,
} from '@toolgate/core'
import { type AwsKeys, signedForAws } from './aws-signature.ts'

export interface AwsRole {
  readonly arn: string
  /** What the session is called in the logs of AWS. */
  readonly sessionName: string
  /** The Security Token Service. */
  readonly endpoint: string
  readonly region: string
  /** Whose the request for a session is. */
  readonly keys: AwsKeys
}

export interface AwsSession {
  readonly keys: AwsKeys
  /** Stands in a request for the signature that it will get. Nobody else can make it. */
  readonly mark: string
}

export interface AwsSessions {
  /** One that lives. Rejects with `UPSTREAM_TOKEN_UNAVAILABLE`, naming the server. */
  current(server: Pick<ServerDefinition, 'name'>, signal: AbortSignal): Promise<AwsSession>
  /** The one whose mark this is, as long as it may be on its way. */
  withMark(mark: string | undefined): AwsSession | undefined
  /** It was refused: false where another one would be refused as well. */
  refused(session: AwsSession): boolean
}

export interface AwsSessionsOptions {
  readonly outbound: Outbound
  readonly clock: Clock
}

const timeoutMs = 10_000
const maxAnswerBytes = 64 * 1024
const sessionSeconds = 3600
/** Before its end, and at most in the last quarter of its life, a session is no longer used. */
const bufferMs = 5 * 60_000
/** A server that refuses every session must not turn each call into a request for one. */
const replacementPauseMs = 10_000
/** A request may be on its way with the one before. */
const mostSessions = 2

export function createAwsSessions(role: AwsRole, { outbound, clock }: AwsSessionsOptions): AwsSessions {
  const flight = createSingleFlight<AwsSession>()
  /** The newest first. */
  let sessions: readonly (AwsSession & { readonly usableUntilMs: number })[] = []
  let refusedAtMs = Number.NEGATIVE_INFINITY

  const begin = async (signal: AbortSignal): Promise<AwsSession> => {
    using deadline = startDeadline(clock, timeoutMs, signal)
    const askedAtMs = clock.monotonic()
    const { keys, lifetimeMs } = await assume(role, { outbound, clock, signal: deadline.signal })
    const mark = newMark()
    const usableUntilMs = askedAtMs + lifetimeMs - Math.min(bufferMs, lifetimeMs / 4)
    const session = { keys, mark, usableUntilMs }
    sessions = [session, ...sessions].slice(0, mostSessions)
    return session
  }

  return {
    async current(server, signal) {
      const [newest] = sessions
      if (newest !== undefined && clock.monotonic() < newest.usableUntilMs) return newest
      try {
        return await flight('session', signal, begin)
      } catch (error) {
        signal.throwIfAborted()
        throw noSession(server, role, error)
      }
    },
    withMark: (mark) => sessions.find((session) => session.mark === mark),
    refused(session) {
      const [newest, ...former] = sessions
      // Another call was refused first.
      if (newest?.mark !== session.mark) return true
      if (clock.monotonic() - refusedAtMs < replacementPauseMs) return false
      refusedAtMs = clock.monotonic()
      sessions = [{ ...newest, usableUntilMs: 0 }, ...former]
      return true
    },
  }
}

export function newMark(): string {
  return `AWS4-HMAC-SHA256 ${randomBytes(16).toString('hex')}`
}

/** The service answered, but not with a session. The message quotes nothing of the answer but its code. */
class RoleRefused extends Error {
  override readonly name = 'RoleRefused'
}

interface Asking extends AwsSessionsOptions {
  readonly signal: AbortSignal
}

async function assume({ arn, sessionName, endpoint, region, keys }: AwsRole, { outbound, clock, signal }: Asking) {
  const asked = {
    Action: 'AssumeRole',
    Version: '2011-06-15',
    RoleArn: arn,
    RoleSessionName: sessionName,
    DurationSeconds: String(sessionSeconds),
  }
  const request = {
    url: endpoint,
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(asked).toString(),
    signal,
    headersTimeoutMs: timeoutMs,
    bodyTimeoutMs: timeoutMs,
  } as const
  const response = await outbound.request(await signedForAws(request, { keys, service: 'sts', region, clock }))
  return sessionIn(response.status, await response.text(maxAnswerBytes), clock)
}

/** The answer is flat XML with elements that have no attributes, and none of these values needs an escape. */
function sessionIn(status: number, xml: string, clock: Clock): { keys: AwsKeys; lifetimeMs: number } {
  const element = (name: string) => new RegExp(`<${name}>([\\x21-\\x7e]{1,8192}?)</${name}>`).exec(xml)?.[1]
  if (status !== 200) {
    const code = element('Code')
    const said = code !== undefined && /^[A-Za-z.]{1,80}$/.test(code) ? ` with ${code}` : ''
    throw new RoleRefused(`answered HTTP ${status}${said}`)
  }
  const [keyId, key, token] = ['AccessKeyId', 'SecretAccessKey', 'SessionToken'].map(element)
  const lifetimeMs = Date.parse(element('Expiration') ?? '') - clock.now()
  if (keyId === undefined || key === undefined || token === undefined || !(lifetimeMs > 0)) {
    throw new RoleRefused('answered without the keys of a session that lives')
  }
  return {
    keys: { keyId: new Secret(keyId), key: new Secret(key), sessionToken: new Secret(token) },
    lifetimeMs: Math.min(lifetimeMs, sessionSeconds * 1000),
  }
}

function noSession({ name }: Pick<ServerDefinition, 'name'>, { endpoint }: AwsRole, error: unknown): GatewayError {
  const why =
    error instanceof RoleRefused || error instanceof GatewayError
      ? error.message.replace(/\.$/, '')
      : classifyOutboundFailure(error) === 'timeout'
        ? `did not answer within ${timeoutMs / 1000} s`
        : 'could not be reached'
  return new GatewayError(
    'UPSTREAM_TOKEN_UNAVAILABLE',
    `No session of the role of server "${name}": ${new URL(endpoint).host} ${why}. Check aws_role_name and the keys of this server.`,
    { cause: error, details: { server: name, stage: 'credential' } },
  )
}
