import { type Forwarded, type MaybePromise, Secret } from '@toolgate/core'
import { couldBeKey, hashKey, keysIn } from '../keys/key-format.ts'
import { accessTokensIn, holdsTokenOfTheGateway } from '../oauth/tokens.ts'
import { textsIn } from './carries.ts'

/**
 * Takes out of what a caller brought every value that holds a virtual key or a token of this gateway: not only the one that counts is
 * nobody else's business. Values without anything that could be one cost nothing; other vendors' keys look alike and stay.
 */
export type WithoutOwnKeys = (forwarded: Forwarded, signal: AbortSignal) => MaybePromise<Forwarded>

/** Finds a key or a token by its hash. Anything found is this gateway's, also what is blocked or has expired. */
export type FindKey = (hash: string, signal: AbortSignal) => Promise<object | undefined>

/** Look-ups for one request. Nobody brings that many keys, and what is not looked up does not travel. */
const mostLookUps = 32

export function createOwnKeyFilter({ keys }: { readonly keys: { readonly find: FindKey } }): WithoutOwnKeys {
  return (forwarded, signal) => {
    const values = valuesOf(forwarded)
    const own = new Set(values.filter((value) => textsIn(value.reveal()).some(holdsTokenOfTheGateway)))
    const suspects = values.filter((value) => !own.has(value) && !candidates(value).next().done)
    if (suspects.length === 0) return own.size === 0 ? forwarded : without(own, forwarded)
    return withoutKeys(forwarded, { suspects, own, isOwn: lookingUp(keys, signal) })
  }
}

async function withoutKeys(forwarded: Forwarded, { suspects, own, isOwn }: Suspicion): Promise<Forwarded> {
  const all = new Set(own)
  for (const value of suspects) if (await holdsAny(value, isOwn)) all.add(value)
  return all.size === 0 ? forwarded : without(all, forwarded)
}

interface Suspicion {
  readonly suspects: readonly Secret[]
  /** What is known to hold something of the gateway's. */
  readonly own: ReadonlySet<Secret>
  readonly isOwn: (key: Secret) => Promise<boolean>
}

/** Whether a text holds what could be a key or a token of this gateway, without finding out whether it is one. */
export function looksLikeOwnKey(text: string): boolean {
  return textsIn(text).some(holdsTokenOfTheGateway) || candidates(new Secret(text)).next().done !== true
}

function lookingUp(keys: { readonly find: FindKey }, signal: AbortSignal): (key: Secret) => Promise<boolean> {
  const known = new Map<string, boolean>()
  let storeAway = false
  return async (key) => {
    const hash = hashKey(key)
    const before = known.get(hash)
    if (before !== undefined) return before
    if (storeAway || known.size >= mostLookUps) return true
    try {
      const own = (await keys.find(hash, signal)) !== undefined
      known.set(hash, own)
      return own
    } catch {
      signal.throwIfAborted()
      // Closed: a server that misses a credential says so, and a key that has left does not come back.
      storeAway = true
      return true
    }
  }
}

async function holdsAny(value: Secret, isOwn: (key: Secret) => Promise<boolean>): Promise<boolean> {
  for (const key of candidates(value)) if (await isOwn(key)) return true
  return false
}

function* candidates(value: Secret): Generator<Secret> {
  for (const text of textsIn(value.reveal())) {
    for (const key of keysIn(text)) if (couldBeKey(key.reveal())) yield key
    yield* accessTokensIn(text)
  }
}

function valuesOf({ authorization, legacyAuth, serverHeaders, headers, cookies }: Forwarded): readonly Secret[] {
  const single = [authorization, legacyAuth].filter((value) => value !== undefined)
  return [...single, ...serverHeaders.values(), ...headers.values(), ...cookies.values()]
}

function without(own: ReadonlySet<Secret>, { authorization, legacyAuth, ...named }: Forwarded): Forwarded {
  const rest = (values: ReadonlyMap<string, Secret>) => new Map([...values].filter(([, value]) => !own.has(value)))
  return {
    ...(authorization !== undefined && !own.has(authorization) && { authorization }),
    ...(legacyAuth !== undefined && !own.has(legacyAuth) && { legacyAuth }),
    serverHeaders: rest(named.serverHeaders),
    headers: rest(named.headers),
    cookies: rest(named.cookies),
  }
}
