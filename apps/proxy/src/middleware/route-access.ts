import { GatewayError } from '@toolgate/core'
import { printablePath } from '../printable-path.ts'
import { isPublicPath } from '../public-paths.ts'
import { allowsRoute } from '../route-access.ts'
import type { Passage } from './joined.ts'

/** Refuses a key that is restricted to other routes. Behind `authenticate`, before every door. */
export function routeAccess(): Passage {
  return function routeAccess(context, next) {
    const { path } = context.req
    if (isPublicPath(path)) return next()
    const { routes } = context.get('caller').principal.grants
    if (allowsRoute(routes, path)) return next()
    const listed = [...routes].map((route) => `'${route}'`).join(', ')
    // LiteLLM's text: clients in the field look for parts of it.
    throw new GatewayError(
      'ROUTE_NOT_ALLOWED',
      `Virtual key is not allowed to call this route. Only allowed to call routes: [${listed}]. Tried to call route: ${printablePath(path)}`,
    )
  }
}
