import type { LedgerRow } from './ledger-row.ts'

/** A finished tool call, unless told otherwise. For the tests of this package. */
export function exampleRow(overrides: Partial<LedgerRow> = {}): LedgerRow {
  return {
    id: 'call_1',
    traceId: 'trace_1',
    requestId: 'req_1',
    door: 'mcp-rest',
    kind: 'tool_call',
    method: 'tools/call',
    principalId: 'ann',
    keyHash: 'hash',
    keyAlias: undefined,
    userId: 'ann',
    teamId: undefined,
    serverId: 'github',
    serverName: 'github',
    publicName: 'github-search',
    targetName: 'search',
    credentialType: 'none',
    model: undefined,
    provider: undefined,
    round: undefined,
    promptTokens: undefined,
    completionTokens: undefined,
    stage: 'call',
    outcome: 'ok',
    startedAt: new Date('2026-01-01T00:00:00Z'),
    durationMs: 1.5,
    ...overrides,
  }
}
