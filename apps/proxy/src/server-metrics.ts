import { Counter, Gauge, type Registry } from 'prom-client'

/** One MCP server as `/metrics` shows it. */
export interface ServerState {
  readonly server: string
  readonly status: string
  readonly circuit: string
  readonly versions: readonly { readonly kind: string; readonly version: number }[]
}

/** The metrics of MCP servers, asked for at each rendering: a server that is gone leaves no series behind. */
export interface ServerMetrics {
  watchServers(read: () => readonly ServerState[]): void
  countRefreshFailure(failure: { server: string; kind: string; outcome: string }): void
}

const statuses = ['healthy', 'unhealthy', 'needs_auth', 'unknown']
const circuitStates = ['closed', 'open', 'half_open']

export function createServerMetrics(registry: Registry): ServerMetrics {
  const registers = [registry]
  const failures = new Counter({
    name: 'toolgate_mcp_refresh_failures_total',
    help: 'Attempts to read a list of an MCP server that brought none, by outcome.',
    labelNames: ['server', 'kind', 'outcome'],
    registers,
  })
  return {
    countRefreshFailure: (failure) => failures.inc(failure),
    watchServers(read) {
      void new Gauge({
        name: 'toolgate_mcp_server_status',
        help: '1 for the status that an MCP server has, 0 for the others.',
        labelNames: ['server', 'status'],
        registers,
        collect() {
          this.reset()
          for (const { server, status: current } of read()) {
            for (const status of statuses) this.set({ server, status }, status === current ? 1 : 0)
          }
        },
      })
      void new Gauge({
        name: 'toolgate_mcp_server_circuit',
        help: '1 for the state that the circuit of an MCP server is in, 0 for the others.',
        labelNames: ['server', 'state'],
        registers,
        collect() {
          this.reset()
          for (const { server, circuit } of read()) {
            for (const state of circuitStates) this.set({ server, state }, state === circuit ? 1 : 0)
          }
        },
      })
      void new Gauge({
        name: 'toolgate_mcp_list_version',
        help: 'How often a list of an MCP server has changed, the first time included.',
        labelNames: ['server', 'kind'],
        registers,
        collect() {
          this.reset()
          for (const { server, versions } of read()) {
            for (const { kind, version } of versions) this.set({ server, kind }, version)
          }
        },
      })
    },
  }
}
