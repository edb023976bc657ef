import { Hono } from 'hono'
import type { AppEnv } from '../app-env.ts'
import { absentHealthRoutes } from './health-absent.ts'
import { healthReportRoutes, type HealthReportOptions } from './health-reports.ts'
import { probeRoutes, type ProbeOptions } from './health-probes.ts'

export type HealthOptions = ProbeOptions & HealthReportOptions

/** Everything under `/health`, and what LiteLLM's users ask beside it. */
export function healthRoutes(options: HealthOptions) {
  return new Hono<AppEnv>()
    .route('/', probeRoutes(options))
    .route('/', healthReportRoutes(options))
    .route('/', absentHealthRoutes())
}
