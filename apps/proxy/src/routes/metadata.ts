import { GatewayError } from '@toolgate/core'
import { Hono } from 'hono'
import type { AppEnv } from '../app-env.ts'
import { openApiDocument } from '../openapi.ts'
import { printablePath } from '../printable-path.ts'
import { version } from '../version.ts'

/** What the gateway tells about itself without a credential. */
export function metadataRoutes() {
  const document = openApiDocument()
  return (
    new Hono<AppEnv>()
      .get('/', (context) =>
        context.json({ name: 'toolgate', version, openapi: '/openapi.json', health: '/health/readiness' }),
      )
      .get('/openapi.json', (context) => context.json(document))
      // Clients that are refused look for an authorization server here. They need a fast JSON 404, not a 401 or a page.
      .get('/.well-known/*', (context) => {
        throw new GatewayError('ROUTE_NOT_FOUND', `No such document: ${printablePath(context.req.path)}`)
      })
  )
}
