/**
 * What needs no credential, in one place. Everything else does: authentication is mounted on all routes and this list
 * is its only exception, so a new route is closed until somebody opens it here.
 */
const publicPaths = new Set([
  '/',
  '/health/drain',
  '/health/liveliness',
  '/health/liveness',
  '/health/readiness',
  '/openapi.json',
  // Clients look here for a sign-in; they must learn that there is none, not that they need a key for it.
  '/register',
  '/test',
])

export function isPublicPath(path: string): boolean {
  return publicPaths.has(path) || path.startsWith('/.well-known/') || path.startsWith('/mcp/.well-known/')
}
