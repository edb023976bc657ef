/**
 * New tokens for old ones, by one gateway at a time: at many servers a refresh token that is used twice ends everything. Whoever
 * refreshes has claimed the row for seconds, and is not stopped by a caller that leaves; everybody else waits for what comes of it.
 */
import { type Clock, GatewayError, sleep } from '@toolgate/core'
import type { UserTokenRow } from '@toolgate/db'
import { endOf } from './token-lifetime.ts'
import { keptParty } from './token-party.ts'
import type { TokenSeal } from './token-seal.ts'
import type { ReceivedTokens, UpstreamClient } from './upstream-client.ts'
import type { RefreshedTokens, UserTokenStore } from './user-token-store.ts'
import type { KnownTokens, TokenContext } from './user-tokens.ts'

export interface TokenRenewalOptions {
  readonly store: UserTokenStore
  readonly upstream: Pick<UpstreamClient, 'refresh'>
  readonly seal: TokenSeal
  readonly clock: Clock
}

/** Longer than a refresh may take. */
const claimMs = 20_000
const waitStepMs = 100
/** Between two attempts to keep what was got. */
const keepStepMs = 500

const never = new AbortController().signal

/** Rejects with `UPSTREAM_TOKEN_UNAVAILABLE` where there are none; undefined where the row is gone. */
export async function renewTokens(
  known: KnownTokens,
  context: TokenContext,
  options: TokenRenewalOptions,
): Promise<KnownTokens | undefined> {
  const { store, clock } = options
  const giveUpAt = clock.monotonic() + claimMs
  do {
    const claimedUntil = clock.monotonic() + claimMs
    if (await store.claim(known.row, claimMs)) return renewClaimed(known, context, { ...options, claimedUntil })
    const row = await store.find(context.holder)
    const isSame = row?.id === known.row.id && row.version === known.row.version
    if (!isSame || row.needsSignIn) return ofRow(row, context, options)
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

async function ofRow(
  row: UserTokenRow | undefined,
  { holder, identity }: TokenContext,
  { seal }: TokenRenewalOptions,
): Promise<KnownTokens | undefined> {
  return row?.identity === identity ? { row, tokens: await seal.open(row.sealed, holder) } : undefined
}

interface ClaimedOptions extends TokenRenewalOptions {
  readonly claimedUntil: number
}

async function renewClaimed(
  { row, tokens }: KnownTokens,
  context: TokenContext,
  options: ClaimedOptions,
): Promise<KnownTokens | undefined> {
  const { store, clock, seal } = options
  const received = await askForTokens(tokens, context, options).catch(async (error: unknown) => {
    // Where that fails too, the claim ends by itself.
    await store.settle(row, 'failed').catch(() => undefined)
    throw error
  })
  if (received === undefined) {
    const settled = await store.settle(row, 'needs_sign_in')
    if (settled !== undefined) return { row: settled, tokens }
    // Somebody signed in meanwhile, and what was refused is not theirs any more.
    return ofRow(await store.find(context.holder), context, options)
  }
  const { access, refresh, lifetimeMs, scopes = row.scopes } = received
  const party = tokens.party && keptParty(tokens.party, context.at.client)
  const next = { access, refresh, lifetimeMs, party }
  const settled = await keep(row, options, {
    sealed: await seal.seal(next, context.holder),
    scopes: [...scopes],
    expiresAt: endOf(lifetimeMs, clock.now()),
    refreshable: refresh !== undefined,
  })
  if (settled !== undefined) return { row: settled, tokens: next }
  // Somebody signed in meanwhile, or an attempt was kept whose answer was lost.
  return ofRow(await store.find(context.holder), context, options)
}

/** The former refresh token is used up: a store that is away for a moment must not cost the user's account. */
async function keep(
  row: UserTokenRow,
  { store, clock, claimedUntil }: ClaimedOptions,
  tokens: RefreshedTokens,
): Promise<UserTokenRow | undefined> {
  for (;;) {
    try {
      return await store.settle(row, tokens)
    } catch (error) {
      const isLast = clock.monotonic() + keepStepMs >= claimedUntil
      if (isLast || !(error instanceof GatewayError) || error.code !== 'STORE_UNAVAILABLE') throw error
    }
    await sleep(clock, keepStepMs, never)
  }
}

async function askForTokens(
  { refresh, party }: KnownTokens['tokens'],
  { at }: TokenContext,
  { upstream }: TokenRenewalOptions,
): Promise<ReceivedTokens | undefined> {
  if (refresh === undefined || party === undefined) return undefined
  return upstream.refresh(refresh, { at, party }, never)
}
