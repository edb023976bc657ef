/**
 * A request that waits for a person's word, as a sealed text in the page that asks: any gateway can go on with it, and nobody
 * else can make one. It is bound to the browser it was shown in, by a cookie of which it holds the digest, so that a page of
 * somebody else cannot send what it was shown (RFC 9700 §4.7).
 */
import { type Clock, isJsonObject, Secret } from '@toolgate/core'
import { oauthError } from './oauth-error.ts'
import { hashToken } from './tokens.ts'
import type { Sealer } from '../tokens/sealing.ts'

export interface PendingRequests {
  /** `browser`: what its cookie holds. */
  seal(pending: PendingRequest, browser: string): Promise<string>
  /** Rejects with `invalid_request` for what is not ours, too old, or of another browser. */
  open(sealed: string, browser: string | undefined): Promise<PendingRequest>
}

export interface PendingRequest {
  /** The parameters of the client, as it sent them. */
  readonly parameters: URLSearchParams
  /** Which of our issuers was asked, as a path. */
  readonly issuer: string
}

/** A person looks for a key. */
const lifetimeMs = 10 * 60_000
const longestSealed = 32_768

export interface PendingRequestsOptions {
  readonly sealer: Pick<Sealer, 'seal' | 'open'>
  readonly clock: Clock
  /** What was sealed for one does not open for another: what stands in it is partly a stranger's. */
  readonly purpose: 'consent' | 'connect' | 'callback' | 'sign_in'
}

export function createPendingRequests({ sealer, clock, purpose }: PendingRequestsOptions): PendingRequests {
  const subject = `oauth_pending_request:${purpose}`
  return {
    seal({ parameters, issuer }, browser) {
      const content = {
        parameters: parameters.toString(),
        issuer,
        browser: hashToken(new Secret(browser)),
        until: clock.now() + lifetimeMs,
      }
      return sealer.seal(new Secret(JSON.stringify(content)), subject)
    },
    async open(sealed, browser) {
      const {
        parameters,
        issuer,
        browser: digest,
        until,
      } = await contentOf(sealed, (text) => sealer.open(text, subject))
      const isOurs = typeof parameters === 'string' && typeof issuer === 'string' && typeof digest === 'string'
      if (!isOurs || typeof until !== 'number' || until < clock.now()) throw expired()
      if (browser === undefined || !new Secret(digest).equals(hashToken(new Secret(browser)))) throw expired()
      return { parameters: new URLSearchParams(parameters), issuer }
    },
  }
}

async function contentOf(
  sealed: string,
  open: (sealed: string) => Promise<Secret>,
): Promise<Readonly<Record<string, unknown>>> {
  try {
    const opened = sealed.length <= longestSealed ? await open(sealed) : undefined
    const content: unknown = opened === undefined ? undefined : JSON.parse(opened.reveal())
    return isJsonObject(content) ? content : {}
  } catch {
    // A stranger's text: that it is none of ours is the answer.
    return {}
  }
}

function expired() {
  return oauthError(
    'invalid_request',
    'This page is too old, or was opened in another browser. Start again from your application.',
  )
}
