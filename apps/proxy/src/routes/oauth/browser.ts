/** The browser that a request for consent was shown in: known by a cookie that says nothing else, and no page of others may use it. */
import { randomBytes } from 'node:crypto'
import type { Context } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'
import type { AppEnv } from '../../app-env.ts'
import { gatewayCookie as cookieName, oauthError } from '@toolgate/auth'

/** Behind https the name carries the browser's own word that no other host has set it. */
function prefixOf(base: string): 'host' | undefined {
  return base.startsWith('https:') ? 'host' : undefined
}

export function browserOf(context: Context<AppEnv>, base: string): string | undefined {
  const prefix = prefixOf(base)
  const value = prefix === undefined ? getCookie(context, cookieName) : getCookie(context, cookieName, prefix)
  return value !== undefined && /^[\w-]{22}$/.test(value) ? value : undefined
}

/** The one it has, so that two pages in one browser do not undo each other; else a new one. */
export function markBrowser(context: Context<AppEnv>, base: string): string {
  const known = browserOf(context, base)
  if (known !== undefined) return known
  const value = randomBytes(16).toString('base64url')
  const prefix = prefixOf(base)
  setCookie(context, cookieName, value, {
    path: '/',
    httpOnly: true,
    // Lax: a client sends the browser here from elsewhere.
    sameSite: 'Lax',
    ...(prefix !== undefined && { secure: true, prefix }),
  })
  return value
}

/** Throws for a form that was sent from a page of somebody else. Browsers say so in one header or the other. */
export function refuseForeignForm(context: Context<AppEnv>, base: string): void {
  const site = context.req.header('sec-fetch-site')
  const origin = context.req.header('origin')
  const foreignSite = site !== undefined && site !== 'same-origin'
  const foreignOrigin = origin !== undefined && origin !== new URL(base).origin && !isHost(origin, context)
  if (foreignSite || foreignOrigin) throw oauthError('invalid_request', 'This form was sent from another page.')
}

/** A gateway that is reached under another name than its public one. */
function isHost(origin: string, context: Context<AppEnv>): boolean {
  return URL.parse(origin)?.host === new URL(context.req.url).host
}
