import { type Context, Hono } from 'hono'
import type { AppEnv } from '../app-env.ts'
import type { Metrics } from '../metrics.ts'
import { requireAdmin } from '../require-admin.ts'

export interface MetricsOptions {
  readonly metrics: Pick<Metrics, 'contentType' | 'render'>
  /** LiteLLM's `require_auth_for_metrics_endpoint: false`: then this route stands before `authenticate`. */
  readonly publicMetrics: boolean
}

/** `GET /metrics` for Prometheus. Its labels name servers, so by default it is for administrators. */
export function metricsRoutes({ metrics, publicMetrics }: MetricsOptions) {
  return new Hono<AppEnv>().get('/metrics', async (context: Context<AppEnv>) => {
    if (!publicMetrics) requireAdmin(context.var.caller, context.req.path)
    context.header('content-type', metrics.contentType)
    return context.body(await metrics.render())
  })
}
