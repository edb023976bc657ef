import { Hono } from 'hono'
import { getPath } from 'hono/utils/url'
import type { AppEnv } from './app-env.ts'
import { authenticate } from './middleware/authenticate.ts'
import { bodyLimit } from './middleware/body-limit.ts'
import { errorAnswers, routeNotFound } from './middleware/errors.ts'
import { joined } from './middleware/joined.ts'
import { withinLifecycle } from './middleware/lifecycle.ts'
import { mcpDebug } from './middleware/mcp-debug.ts'
import { requestLog } from './middleware/request-log.ts'
import { routeAccess } from './middleware/route-access.ts'
import { rememberingRouter } from './remembering-router.ts'
import { chatRoutes } from './routes/chat.ts'
import { completionRoutes } from './routes/completions.ts'
import { configRoutes } from './routes/config.ts'
import { embeddingRoutes } from './routes/embeddings.ts'
import { geminiRoutes } from './routes/gemini.ts'
import { healthRoutes } from './routes/health.ts'
import { keyRoutes } from './routes/keys.ts'
import { mcpRoutes } from './routes/mcp/routes.ts'
import { mcpExplainRoutes } from './routes/mcp-explain.ts'
import { mcpPreviewRoutes } from './routes/mcp-preview.ts'
import { mcpRestRoutes } from './routes/mcp-rest.ts'
import { mcpServerAdminRoutes } from './routes/mcp-servers-admin.ts'
import { mcpServerRoutes } from './routes/mcp-servers.ts'
import { mcpToolChangeRoutes } from './routes/mcp-tool-changes.ts'
import { mcpToolsetRoutes } from './routes/mcp-toolsets.ts'
import { metadataRoutes } from './routes/metadata.ts'
import { metricsRoutes, openMetricsRoute } from './routes/metrics.ts'
import { mcpUserCredentialRoutes } from './routes/mcp-user-credentials.ts'
import { mcpUserSecretRoutes } from './routes/mcp-user-secrets.ts'
import { oauthGrantRoutes } from './routes/oauth/grants.ts'
import { oauthMetadataRoutes } from './routes/oauth/metadata.ts'
import { oauthRoutes } from './routes/oauth/routes.ts'
import { modelRoutes } from './routes/models.ts'
import { messageRoutes } from './routes/messages.ts'
import { responseRoutes } from './routes/responses.ts'
import { toolResultRoutes } from './routes/tool-results.ts'
import type { Services } from './services.ts'

/** Bytes. Chat requests carry images; nothing a person sends is larger. */
const maxBodyBytes = 32 * 1024 * 1024

export type App = Hono<AppEnv>

/**
 * Mounts the doors. No I/O happens here, and every route but the public ones (and `/metrics` where the file opens it) is
 * behind `authenticate`.
 */
export function createApp(services: Services): App {
  const { lifecycle, publicAddress } = services
  const app = new Hono<AppEnv>({ router: rememberingRouter(), ...pathsBelow(publicAddress.rootPath) })
  app.onError(errorAnswers(services))
  app.notFound(routeNotFound)
  app.use(joined(requestLog(services), withinLifecycle(lifecycle)))
  app.route('/', openMetricsRoute(services))
  // A body is read for callers that are known, and for nobody else.
  app.use(joined(authenticate(services), routeAccess(), mcpDebug(services), bodyLimit(maxBodyBytes)))
  for (const routes of [
    healthRoutes(services),
    metricsRoutes(services),
    configRoutes(services),
    metadataRoutes(),
    oauthMetadataRoutes(services),
    mcpRestRoutes(services),
    mcpExplainRoutes(services),
    mcpServerRoutes(services),
    mcpServerAdminRoutes(services),
    mcpToolChangeRoutes(services),
    mcpToolsetRoutes(services),
    mcpPreviewRoutes(services),
    mcpUserCredentialRoutes(services),
    mcpUserSecretRoutes(services),
    oauthGrantRoutes(services),
    modelRoutes(services),
    chatRoutes(services),
    responseRoutes(services),
    messageRoutes(services),
    geminiRoutes(services),
    toolResultRoutes(services),
    embeddingRoutes(services),
    completionRoutes(services),
    keyRoutes(services),
    // Last: their paths begin or end with a server's name.
    mcpRoutes(services),
    oauthRoutes(services),
  ]) {
    app.route('/', routes)
  }
  return app
}

/**
 * `SERVER_ROOT_PATH`: what every path may begin with. Proxies in front take it away or leave it, so both are the same here, and
 * without one Hono's own reading of a path is the fastest.
 */
function pathsBelow(rootPath: string) {
  if (rootPath === '') return {}
  return {
    getPath(request: Request) {
      const path = getPath(request)
      return path === rootPath || path.startsWith(`${rootPath}/`) ? path.slice(rootPath.length) || '/' : path
    },
  }
}
