import { z } from 'zod'
import type { Operation } from './operation.ts'
import { healthHistoryQuery, healthQuery, testConnectionBody } from '../routes/health-reports.ts'

const alive: Operation = { summary: 'The process answers', isPublic: true }
const ready: Operation = { summary: 'The process may be given work', isPublic: true }

/** The part of `/openapi.json` about health. */
export const healthOperations: Readonly<Record<string, Operation>> = {
  'GET /health/liveliness': alive,
  'OPTIONS /health/liveliness': alive,
  'GET /health/liveness': alive,
  'OPTIONS /health/liveness': alive,
  'GET /health/readiness': ready,
  'OPTIONS /health/readiness': ready,
  'GET /health/readiness/details': { summary: 'The same, with version and storage' },
  'GET /health/drain': {
    summary: 'Turn readiness and refuse new work; only where `enable_drain_endpoint` is set',
    isPublic: true,
  },
  'GET /health/backlog': { summary: 'Requests under way' },
  'GET /health': { summary: 'Ask every model for a word', query: healthQuery },
  'GET /health/history': { summary: 'Past checks of models, changes of servers', query: healthHistoryQuery },
  'GET /health/latest': { summary: 'The last check of each model and server' },
  'POST /health/test_connection': { summary: 'Ask a model that is not configured', body: testConnectionBody },
  'GET /health/services': {
    summary: 'Test a logging service; none is configured',
    query: z.object({ service: z.string() }),
  },
  'GET /health/shared-status': { summary: 'Whether gateways share their checks' },
  'GET /health/license': { summary: 'What is licensed' },
  'GET /test': { summary: 'The path that was asked', isPublic: true },
  'GET /cache/ping': { summary: 'Whether the cache answers; none is configured' },
  'GET /cache/redis/info': { summary: 'Facts of the cache; none is configured' },
}
