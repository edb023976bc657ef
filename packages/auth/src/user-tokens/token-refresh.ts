/**
 * New tokens for old ones, by one gateway at a time: at many servers a refresh token that is used twice ends everything. Whoever
 * refreshes has claimed the row for seconds, and is not stopped by a caller that leaves; everybody else waits for what comes of it.
 */
import { type Clock, createSingleFlight, GatewayError, sleep } from '@toolgate/core'
import { LRUCache } from 'lru-cache'
import type { UserTokenRow } from '@toolgate/db'
import type { TokenSeal } from './token-seal.ts'
import type { ReceivedTokens, UpstreamClient } from './upstream-client.ts'
import type { UserTokenStore } from './user-token-store.ts'
import type { KnownTokens, TokenContext } from './user-tokens.ts'

export interface TokenRefresh {
  /** It ends soon, or its server has refused it. */
  isDue(row: UserTokenRow): boolean
  /** Rejects with `UPSTREAM_TOKEN_UNAVAILABLE` where there is none that can be used; undefined where the row is gone. */
  run(known: KnownTokens, context: TokenContext): Promise<KnownTokens | undefined>
  /** Says whether another one can be had. */
  refused(row: UserTokenRow): boolean
}

export interface TokenRefreshOptions {
  readonly store: UserTokenStore
  readonly upstream: Pick<UpstreamClient, 'refresh'>
  readonly seal: TokenSeal
  readonly clock: Clock
  readonly expiryBufferMs: number
}

/** Longer than a refresh may take. */
const claimMs = 20_000
const waitStepMs = 100
/** A server that refuses whatever it issued does not get a request for each call. */
const forcedEveryMs = 30_000
const mostRemembered = 5_000

export function createTokenRefresh(options: TokenRefreshOptions): TokenRefresh {
  const { clock, expiryBufferMs } = options
  const singleFlight = createSingleFlight<KnownTokens | undefined>()
  const refusedVersions = new LRUCache<string, number>({ max: mostRemembered })
  const forcedAt = new LRUCache<string, number>({ max: mostRemembered })

  const wasRefused = ({ id, version }: UserTokenRow) => refusedVersions.get(id) === version

  return {
    isDue(row) {
      if (!row.refreshable) return false
      const endsSoon = row.expiresAt !== null && row.expiresAt.getTime() - expiryBufferMs <= clock.now()
      return endsSoon || wasRefused(row)
    },
    run(known, context) {
      const { row } = known
      const key = `${row.id}:${row.version}`
      return singleFlight(key, new AbortController().signal, () => refreshOrWait(known, context, options))
    },
    refused(row) {
      const last = forcedAt.get(row.id)
      const now = clock.monotonic()
      if (!row.refreshable || (last !== undefined && now - last < forcedEveryMs)) return false
      forcedAt.set(row.id, now)
      refusedVersions.set(row.id, row.version)
      return true
    },
  }
}

async function refreshOrWait(
  known: KnownTokens,
  context: TokenContext,
  options: TokenRefreshOptions,
): Promise<KnownTokens | undefined> {
  const { store, clock, seal } = options
  const giveUpAt = clock.monotonic() + claimMs
  const never = new AbortController().signal
  do {
    if (await store.claim(known.row, claimMs)) return refreshClaimed(known, context, options)
    const row = await store.find(context.holder)
    if (row === undefined || row.identity !== context.identity) return undefined
    if (row.needsSignIn || row.id !== known.row.id || row.version !== known.row.version) {
      return { row, tokens: await seal.open(row.sealed, context.holder) }
    }
    await sleep(clock, waitStepMs, never)
  } while (clock.monotonic() < giveUpAt)
  throw new GatewayError(
    'UPSTREAM_TOKEN_UNAVAILABLE',
    `A token for "${context.at.name}" is being refreshed for too long.`,
    {
      details: { server: context.at.name, stage: 'credential' },
    },
  )
}

async function refreshClaimed(
  { row, tokens }: KnownTokens,
  context: TokenContext,
  options: TokenRefreshOptions,
): Promise<KnownTokens | undefined> {
  const { store, clock, seal } = options
  const received = await askForTokens(tokens, context, options).catch(async (error: unknown) => {
    await store.settle(row, 'failed')
    // While it is good, the one at hand goes on.
    if (row.expiresAt !== null && row.expiresAt.getTime() > clock.now()) return 'later' as const
    throw error
  })
  if (received === 'later') return { row, tokens }
  if (received === undefined) {
    const settled = await store.settle(row, 'needs_sign_in')
    return settled && { row: settled, tokens }
  }
  const next = { access: received.access, refresh: received.refresh, party: tokens.party }
  const settled = await store.settle(row, {
    sealed: await seal.seal(next, context.holder),
    scopes: [...(received.scopes ?? row.scopes)],
    expiresAt: received.lifetimeMs === undefined ? null : new Date(clock.now() + received.lifetimeMs),
    refreshable: received.refresh !== undefined,
  })
  return settled && { row: settled, tokens: next }
}

async function askForTokens(
  { refresh, party }: KnownTokens['tokens'],
  { at }: TokenContext,
  { upstream }: TokenRefreshOptions,
): Promise<ReceivedTokens | undefined> {
  if (refresh === undefined || party === undefined) return undefined
  return upstream.refresh(refresh, { at, party }, new AbortController().signal)
}
