import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client'
import { gatheringCounter, gatheringHistogram } from './gathered-metrics.ts'
import { createModelMetrics, type ModelMetrics } from './model-metrics.ts'
import { createServerMetrics, type ServerMetrics } from './server-metrics.ts'

/** The gateway's Prometheus metrics. A registry of its own: nothing global, two gateways in one process do not meet. */
export interface Metrics extends ServerMetrics, ModelMetrics {
  observeRequest(request: { door: string; method: string; status: number; seconds: number }): void
  observeCall(call: { kind: string; server: string; outcome: string; seconds: number }): void
  /** A promise failed and nobody handled it: a fault of ours. */
  countUnhandledRejection(): void
  /** How many rows of the ledger were given up so far, asked for at each rendering. */
  watchDroppedRows(read: () => number): void
  readonly contentType: string
  render(): Promise<string>
}

const latencyBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

export function createMetrics(): Metrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const countRequest = gatheringCounter({
    name: 'toolgate_requests_total',
    help: 'HTTP requests by door, method and status.',
    labelNames: ['door', 'method', 'status'],
    registers,
  })
  const observeRequestSeconds = gatheringHistogram({
    name: 'toolgate_request_duration_seconds',
    help: 'Time from the request read to the answer written.',
    labelNames: ['door'],
    buckets: latencyBuckets,
    registers,
  })
  const countCall = gatheringCounter({
    name: 'toolgate_calls_total',
    help: 'Calls to upstream servers and models by outcome.',
    labelNames: ['kind', 'server', 'outcome'],
    registers,
  })
  const observeCallSeconds = gatheringHistogram({
    name: 'toolgate_call_duration_seconds',
    help: 'Time of a call inside the gateway, the upstream included.',
    labelNames: ['kind', 'server'],
    buckets: latencyBuckets,
    registers,
  })

  return {
    ...createServerMetrics(registry),
    ...createModelMetrics(registry),
    countUnhandledRejection: unhandledRejectionCounter(registers),
    observeRequest({ door, method, status, seconds }) {
      countRequest(door, method, String(status))
      observeRequestSeconds(seconds, door)
    },
    observeCall({ kind, server, outcome, seconds }) {
      countCall(kind, server, outcome)
      observeCallSeconds(seconds, kind, server)
    },
    watchDroppedRows(read) {
      void new Gauge({
        name: 'toolgate_ledger_rows_dropped',
        help: 'Ledger rows lost since start because the store was away longer than the buffer lasts.',
        registers,
        collect() {
          this.set(read())
        },
      })
    },
    contentType: registry.contentType,
    render: () => registry.metrics(),
  }
}

function unhandledRejectionCounter(registers: Registry[]): () => void {
  const unhandledRejections = new Counter({
    name: 'toolgate_unhandled_rejections_total',
    help: 'Promises that failed with nobody to handle it; each is a fault of toolgate, and the log has its stack.',
    registers,
  })
  return () => unhandledRejections.inc()
}
