import { describe, expect, it } from 'vitest'
import { GatewayError } from './errors.ts'
import { type CallTrace, settled } from './trace.ts'

function traceOf(overrides: Partial<CallTrace> = {}): CallTrace {
  return { callId: 'call_1', kind: 'tool_call', method: 'tools/call', startedAt: 0, ...overrides }
}

const waiting = new AbortController().signal

describe('how a call ended', () => {
  it('is ok where it was answered, unless it says otherwise itself', async () => {
    const [plain, refused] = [traceOf(), traceOf()]
    await expect(settled(plain, waiting, async () => 'result')).resolves.toBe('result')
    await settled(refused, waiting, async () => {
      refused.outcome = 'tool_error'
    })
    expect([plain.outcome, refused.outcome]).toEqual(['ok', 'tool_error'])
  })

  it('is the code and stage of its failure, which is passed on as it came', async () => {
    const trace = traceOf({ outcome: 'ok' })
    const error = new GatewayError('UPSTREAM_TIMEOUT', 'late', { details: { stage: 'connect' } })
    await expect(settled(trace, waiting, () => Promise.reject(error))).rejects.toBe(error)
    expect(trace).toMatchObject({ outcome: 'UPSTREAM_TIMEOUT', stage: 'connect' })
  })

  it.each([
    ['a fault of ours', waiting, 'INTERNAL'],
    ['that the caller went away', AbortSignal.abort(), 'CANCELLED'],
    ['why the caller’s time was over', AbortSignal.abort(new GatewayError('OVERLOADED', 'late')), 'OVERLOADED'],
  ])('is %s where something broke that nobody translated', async (_, signal, code) => {
    const trace = traceOf()
    const failing = () => Promise.reject(new Error('anything'))
    await expect(settled(trace, signal, failing)).rejects.toMatchObject({ code })
    expect(trace.outcome).toBe(code)
  })
})
