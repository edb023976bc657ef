import { Hono } from 'hono'
import type { AppEnv } from '../app-env.ts'
import { openApiDocument } from '../openapi/document.ts'
import { version } from '../version.ts'

/** What the gateway tells about itself without a credential. */
export function metadataRoutes() {
  const document = openApiDocument()
  return new Hono<AppEnv>()
    .get('/', (context) =>
      context.json({ name: 'toolgate', version, openapi: '/openapi.json', health: '/health/readiness' }),
    )
    .get('/openapi.json', (context) => context.json(document))
}
