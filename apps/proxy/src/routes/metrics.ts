import { type Context, Hono } from 'hono'
import type { AppEnv } from '../app-env.ts'
import type { Metrics } from '../metrics.ts'
import { requireAdmin } from '../require-admin.ts'

export interface MetricsOptions {
  readonly metrics: Pick<Metrics, 'contentType' | 'render'>
  /** LiteLLM's `require_auth_for_metrics_endpoint: false`. Asked anew for each request: a reload may change it. */
  readonly publicMetrics: () => boolean
}

type Renderer = Pick<MetricsOptions, 'metrics'>

/** `GET /metrics` for everybody, where that is open. Stands before `authenticate`; where it is not, the request goes on. */
export function openMetricsRoute({ metrics, publicMetrics }: MetricsOptions) {
  return new Hono<AppEnv>().use('/metrics', (context, next) =>
    context.req.method === 'GET' && publicMetrics() ? render(context, metrics) : next(),
  )
}

/** `GET /metrics` for Prometheus. Its labels name servers, so by default it is for administrators. */
export function metricsRoutes({ metrics }: Renderer) {
  return new Hono<AppEnv>().get('/metrics', (context) => {
    requireAdmin(context.var.caller, context.req.path)
    return render(context, metrics)
  })
}

async function render(context: Context<AppEnv>, metrics: Renderer['metrics']): Promise<Response> {
  context.header('content-type', metrics.contentType)
  return context.body(await metrics.render())
}
