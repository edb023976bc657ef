/**
 * What of a user's tokens can be presented: themselves, or new ones for old ones. While a token is good, another one is got behind
 * the call, which does not wait; an authorization server that fails is left alone for a while. Who refreshes is one gateway at a
 * time (`token-renewal.ts`).
 */
import { type Clock, createSingleFlight, type GatewayError, type Logger, toGatewayError } from '@toolgate/core'
import type { UserTokenRow } from '@toolgate/db'
import { LRUCache } from 'lru-cache'
import { renewTokens, type TokenRenewalOptions } from './token-renewal.ts'
import type { TokenHolder } from './user-token-store.ts'
import type { KnownTokens, TokenContext } from './user-tokens.ts'

export interface TokenRefresh {
  /**
   * Undefined where there is a sign-in to do. Rejects with `UPSTREAM_TOKEN_UNAVAILABLE` where new ones are needed and are not to be
   * had now.
   */
  current(known: KnownTokens, context: TokenContext, signal: AbortSignal): Promise<KnownTokens | undefined>
  /** The server refused what was presented, with this HTTP status. Says whether another one can be had. */
  refused(row: UserTokenRow, context: TokenContext, status: number | undefined): boolean
  /** Nothing but a sign-in helps, as far as is known here. */
  isSpent(row: UserTokenRow): boolean
}

export interface TokenRefreshOptions extends TokenRenewalOptions {
  readonly expiryBufferMs: number
  readonly log: Logger
  /** What is known of this holder is not what is in the store any more. */
  readonly forget: (holder: TokenHolder) => void
  /** As in `UserTokenMemory`. */
  readonly expect: (work: Promise<unknown>) => void
}

/** An authorization server that gives none is not asked again by each call. */
const pauseMs = 15_000
/** A server that refuses whatever it issued does not get a request for each call. */
const forcedEveryMs = 30_000
/** For so long after a server refused whatever was issued for it a sign-in is to do, as far as anybody can tell. */
const hopelessMs = 5 * 60_000
/** Of a life that is shorter than the buffer, the part at its end in which it is replaced. */
const lastPart = 0.25
const mostRemembered = 5_000

interface Pause {
  readonly until: number
  readonly error: GatewayError
}

export function createTokenRefresh(options: TokenRefreshOptions): TokenRefresh {
  const { clock, expiryBufferMs, forget } = options
  const refusals = createRefusals(options)
  const renewal = createRenewal(options)

  const hasEnded = ({ expiresAt }: UserTokenRow) => expiresAt !== null && expiresAt.getTime() <= clock.now()
  const isSpent = (row: UserTokenRow) =>
    row.needsSignIn || (!row.refreshable && (hasEnded(row) || refusals.isRefused(row))) || refusals.isHopeless(row)
  const endsSoon = ({ row: { expiresAt }, tokens }: KnownTokens) => {
    const bufferMs = Math.min(expiryBufferMs, (tokens.lifetimeMs ?? Number.POSITIVE_INFINITY) * lastPart)
    return expiresAt !== null && expiresAt.getTime() - bufferMs <= clock.now()
  }

  return {
    isSpent,
    async current(known, context, signal) {
      const { row } = known
      if (row.needsSignIn) return undefined
      const isGood = !hasEnded(row) && !refusals.isRefused(row)
      if (!row.refreshable) return isGood ? known : undefined
      if (isGood) {
        if (endsSoon(known)) renewal.begin(known, context)
        return known
      }
      const renewed = await renewal.run(known, context, signal)
      return renewed?.row.needsSignIn === false ? renewed : undefined
    },
    refused(row, context, status) {
      // RFC 6750 §3.1: of this one request, and a new token of the same grant would be refused it as well.
      if (status === 403) return false
      forget(context.holder)
      if (row.refreshable) return refusals.count(row)
      if (status !== 401) return false
      refusals.remember(row)
      void markSpent(row, context, options)
      return false
    },
  }
}

/** Which tokens were refused by their server. */
function createRefusals({ clock }: { readonly clock: Clock }) {
  const versions = new LRUCache<string, number>({ max: mostRemembered })
  const forcedAt = new LRUCache<string, number>({ max: mostRemembered })
  const hopeless = new LRUCache<string, { readonly version: number; readonly until: number }>({ max: mostRemembered })
  const isRefused = ({ id, version }: UserTokenRow) => versions.get(id) === version
  const remember = ({ id, version }: UserTokenRow) => void versions.set(id, version)
  return {
    isRefused,
    remember,
    /** It was got because of a refusal, and refused too, a while ago at most: the server may be well again. */
    isHopeless({ id, version }: UserTokenRow): boolean {
      const last = hopeless.get(id)
      return last?.version === version && clock.monotonic() < last.until
    },
    /** Says whether this one may be replaced. */
    count(row: UserTokenRow): boolean {
      // Of several calls with one token each may go on with the next one.
      if (isRefused(row)) return true
      const last = forcedAt.get(row.id)
      const now = clock.monotonic()
      if (last !== undefined && now - last < forcedEveryMs) {
        hopeless.set(row.id, { version: row.version, until: now + hopelessMs })
        return false
      }
      forcedAt.set(row.id, now)
      remember(row)
      return true
    },
  }
}

/** One renewal of one token at a time, and none while its authorization server is left alone. */
function createRenewal(options: TokenRefreshOptions) {
  const { clock, log, forget } = options
  const singleFlight = createSingleFlight<KnownTokens | undefined>()
  const pauses = new LRUCache<string, Pause>({ max: mostRemembered })
  /** Bounded by the work in progress. */
  const behindCalls = new Set<string>()

  const pauseOf = ({ id }: UserTokenRow): Pause | undefined => {
    const pause = pauses.get(id)
    return pause !== undefined && clock.monotonic() < pause.until ? pause : undefined
  }
  const renew = async (known: KnownTokens, context: TokenContext) => {
    try {
      const renewing = renewTokens(known, context, options)
      options.expect(renewing)
      return await renewing
    } catch (error) {
      pauses.set(known.row.id, { until: clock.monotonic() + pauseMs, error: toGatewayError(error) })
      throw error
    } finally {
      forget(context.holder)
    }
  }
  // Whoever leaves does not stop it: a refresh token that was used and whose answer nobody read is lost.
  const run = ({ row, ...known }: KnownTokens, context: TokenContext, signal: AbortSignal) =>
    singleFlight(`${row.id}:${row.version}`, signal, () => renew({ row, ...known }, context))

  return {
    async run(known: KnownTokens, context: TokenContext, signal: AbortSignal): Promise<KnownTokens | undefined> {
      const pause = pauseOf(known.row)
      // The store's own failures are no reason to leave anybody alone.
      if (pause?.error.code === 'UPSTREAM_TOKEN_UNAVAILABLE') throw pause.error
      return run(known, context, signal)
    },
    /** Nobody waits for it. */
    begin(known: KnownTokens, context: TokenContext): void {
      const key = `${known.row.id}:${known.row.version}`
      if (behindCalls.has(key) || pauseOf(known.row) !== undefined) return
      behindCalls.add(key)
      void run(known, context, new AbortController().signal)
        .catch((error: unknown) => {
          const { code, message, internal } = toGatewayError(error)
          log.warn({ code, server: context.at.name, internal }, `${message} The former token goes on while it is good.`)
        })
        .finally(() => behindCalls.delete(key))
    },
  }
}

/** For every gateway; this one knows it already. */
async function markSpent(row: UserTokenRow, { at, holder }: TokenContext, options: TokenRefreshOptions): Promise<void> {
  const { store, log, forget } = options
  try {
    await store.settle(row, 'needs_sign_in')
    forget(holder)
  } catch (error) {
    log.warn({ server: at.name, err: error }, 'A token that its server refuses could not be marked as refused.')
  }
}
