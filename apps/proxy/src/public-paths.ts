import { remembering } from '@toolgate/core'
import { metadataPathOf } from './metadata-path.ts'
import { oauthEndpointOf } from './oauth-endpoint.ts'

/**
 * What needs no credential, in one place. Everything else does: authentication is mounted on all routes and this list
 * is its only exception, so a new route is closed until somebody opens it here.
 */
const publicPaths = new Set([
  '/',
  '/callback',
  '/connect',
  '/health/drain',
  '/health/liveliness',
  '/health/liveness',
  '/health/readiness',
  '/openapi.json',
  '/sso/callback',
  '/test',
])

export const isPublicPath = remembering(findWhetherPublic, { most: 256, longest: 128 })

function findWhetherPublic(path: string): boolean {
  return publicPaths.has(path) || path.startsWith('/.well-known/') || isPartOfSignIn(path)
}

/** Whoever signs in has no credential yet. Every path of these ends in one of few words. */
function isPartOfSignIn(path: string): boolean {
  if (/^\/connect\/[^/]+(?:\/(?:callback|client\.json))?$/.test(path)) return true
  if (!/\/(?:authorize|token|register|revoke|oauth-[a-z-]+|openid-configuration)$/.test(path)) return false
  const action = oauthEndpointOf(path)?.action
  return (action !== undefined && action !== 'introspect') || metadataPathOf(path, '') !== undefined
}
