import { type CallTrace, GatewayError, silentLogger } from '@toolgate/core'
import { callerOf, principalOf } from '@toolgate/testing/callers'
import { fakeClock } from '@toolgate/testing/fake-clock'
import { expect, it } from 'vitest'
import type { LedgerRow } from './ledger-row.ts'
import { createRecorder, type RecorderOptions } from './record.ts'

const startedAt = Date.UTC(2026, 0, 1)

function traceOf(overrides: Partial<CallTrace> = {}): CallTrace {
  return { callId: 'call_1', kind: 'tool_call', method: 'tools/call', startedAt, ...overrides }
}

function start(options: Partial<RecorderOptions> = {}) {
  const rows: LedgerRow[] = []
  const clock = fakeClock()
  const record = createRecorder({ append: (row) => void rows.push(row), log: silentLogger, clock, ...options })
  return { rows, clock, record }
}

it('leaves one row with who, where, how long and how it ended', async () => {
  const { rows, clock, record } = start()
  const caller = callerOf({
    principal: principalOf({ id: 'ann', keyHash: 'hash', keyAlias: 'laptop', userId: 'ann', teamId: 'core' }),
  })
  const trace = traceOf()
  const result = await record({ caller, trace }, async () => {
    trace.publicName = 'github-search'
    trace.serverName = 'github'
    trace.stage = 'call'
    trace.outcome = 'ok'
    clock.advance(250)
    return 'result'
  })
  expect(result).toBe('result')
  expect(rows).toHaveLength(1)
  expect(rows[0]).toMatchObject({
    id: 'call_1',
    traceId: 'trace_test',
    requestId: 'req_test',
    door: 'test',
    principalId: 'ann',
    keyHash: 'hash',
    keyAlias: 'laptop',
    userId: 'ann',
    teamId: 'core',
    publicName: 'github-search',
    serverName: 'github',
    stage: 'call',
    outcome: 'ok',
    startedAt: new Date(startedAt),
    durationMs: 250,
  })
})

it('keeps the outcome that the spine has set on an answered call', async () => {
  const { rows, record } = start()
  const trace = traceOf()
  await record({ caller: callerOf(), trace }, async () => {
    trace.outcome = 'tool_error'
  })
  expect(rows[0]?.outcome).toBe('tool_error')
})

it('records a failed call as its trace says, and passes the very error on', async () => {
  const { rows, record } = start()
  const error = new GatewayError('UPSTREAM_TIMEOUT', 'late')
  const call = { caller: callerOf(), trace: traceOf({ outcome: 'UPSTREAM_TIMEOUT', stage: 'connect' }) }
  await expect(record(call, () => Promise.reject(error))).rejects.toBe(error)
  expect(rows[0]).toMatchObject({ outcome: 'UPSTREAM_TIMEOUT', stage: 'connect' })
})

it('takes a call whose end nobody settled for a fault of ours', async () => {
  const { rows, record } = start()
  const failing = () => Promise.reject(new Error('anything'))
  await expect(record({ caller: callerOf(), trace: traceOf() }, failing)).rejects.toThrow('anything')
  expect(rows[0]?.outcome).toBe('INTERNAL')
})

it('never fails a call, whatever happens to its row', async () => {
  const append = () => {
    throw new Error('ledger')
  }
  const { record } = start({ append })
  await expect(record({ caller: callerOf(), trace: traceOf() }, async () => 'result')).resolves.toBe('result')
})

it('tells every row to the listener', async () => {
  const heard: LedgerRow[] = []
  const { rows, record } = start({ onRecorded: (row) => void heard.push(row) })
  await record({ caller: callerOf(), trace: traceOf() }, async () => {})
  expect(heard).toEqual(rows)
})
