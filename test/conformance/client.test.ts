import { describe, expect, vi } from 'vitest'
import { verifies } from '../verifies.ts'
import { startClientControl } from './client-control.ts'
import { judgeClient } from './run-suite.ts'

vi.setConfig({ testTimeout: 120_000 })

const revisions = [
  {
    revision: '2025-11-25',
    era: 'legacy',
    scenarios: ['initialize', 'tools_call', 'elicitation-sep1034-client-defaults', 'sse-retry'],
  },
  {
    revision: '2026-07-28',
    era: 'modern',
    scenarios: [
      'tools_call',
      'request-metadata',
      'sep-2322-client-request-state',
      'http-standard-headers',
      'http-custom-headers',
      'http-invalid-tool-headers',
      'json-schema-ref-no-deref',
    ],
  },
] as const

describe('towards its upstreams the gateway passes, with a client in front of it,', () => {
  for (const { revision, era, scenarios } of revisions) {
    verifies('mcp:conformance', `what the client suite ${revision} requires of the protocol`, async () => {
      await using control = await startClientControl(era)
      const report = await judgeClient(revision, control.url)
      const protocol = (failures: object) =>
        Object.entries(failures).filter(([scenario]) => !scenario.startsWith('auth/'))
      expect({ failing: protocol(report.failures), notes: control.notes }).toEqual({ failing: [], notes: [] })
      expect(report.scenarios.filter((scenario) => !scenario.startsWith('auth/'))).toEqual(scenarios)
      expect(protocol(report.unscored)).toEqual([])
    })
  }
})
